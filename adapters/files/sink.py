"""Writes what a subscriber gets into a folder: under a hidden name first, on the disk, then in view, whole.

A file in view has everything that was sent, and a retry of the same delivery finds its own file there. What stands under
the name with other bytes is never replaced.
"""

from __future__ import annotations

import asyncio
import errno
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from adapters.files.name import name_of
from adapters.files.settings import FolderSink
from adapters.files.trouble import reason_of
from hie.errors import PermanentRefusal, TemporaryFailure
from hie.ports import Meter, Sink

WRITTEN, PRESENT = "written", "present"
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
"""What file systems without hard links say (CIFS, FAT)."""
_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)
"""What file systems say that cannot flush a folder."""


class Folder:
    """One subscriber's folder (hie.ports.Sink). Deliveries take turns."""

    idempotent = True

    def __init__(self, settings: FolderSink, meter: Meter) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._mode = int(settings.mode, 8)
        self._thread: ThreadPoolExecutor | None = None

    async def send(self, payload: bytes, key: str) -> str:
        """`written`, or `present` where an earlier attempt had written it. Raises TemporaryFailure (full, read-only, not
        there) and PermanentRefusal where another file has the name."""
        name = name_of(self._settings.name, payload, key)
        if len(name.encode()) > 240:
            raise PermanentRefusal("the name of the file would be too long", code="file-name", hint="shorten `name`")
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "files-out")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._put, payload, name)
        except OSError as error:
            reason = reason_of(error)
            raise TemporaryFailure(f"the folder takes no file ({reason})", code=f"folder-{reason}") from None

    async def close(self) -> None:
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    def _put(self, payload: bytes, name: str) -> str:
        target = self._folder / name
        if self._present(target, payload):
            return PRESENT
        hidden = self._folder / f".{name}.part"
        try:
            _write(hidden, payload, self._mode)
            self._show(hidden, target, payload)
        finally:
            with suppress(OSError):
                hidden.unlink()
        _flush(self._folder)
        return WRITTEN

    def _show(self, hidden: Path, target: Path, payload: bytes) -> None:
        try:
            os.link(hidden, target)  # unlike a rename, it replaces nothing
        except FileExistsError:
            self._present(target, payload)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if not self._present(target, payload):
                hidden.rename(target)

    @staticmethod
    def _present(target: Path, payload: bytes) -> bool:
        """Whether the delivery stands there already. Raises PermanentRefusal where something else does."""
        try:
            same = target.read_bytes() == payload
        except FileNotFoundError:
            return False
        if not same:
            raise PermanentRefusal(
                "another file has the name of the delivery",
                code="file-collision",
                hint="look at who else writes into the folder",
            )
        return True


def _write(path: Path, payload: bytes, mode: int) -> None:
    opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with open(opened, "wb") as file:
        os.fchmod(opened, mode)
        file.write(payload)
        file.flush()
        os.fsync(opened)


def _flush(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(opened)


def connect(settings: FolderSink, meter: Meter) -> Sink:
    """The entry named in manifest.toml."""
    return Folder(settings, meter)
