"""Where a file ends: `done/DAY` or `refused/DAY`, with a note beside it where there is something to say.

The move is what counts: until it has happened the file counts as in hand. A note that cannot be written (a full disk) is
given up, since everything it says is in the journal too; a move is tried until it succeeds.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.files.listing import DONE, REFUSED

NOTE = ".reason.json"
_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z")
_LONGEST = 200
"""Bytes of a name that leave room for what is added to it."""


@dataclass(slots=True)
class Ending:
    """How one file ended. The note holds codes, places, counts and our own ids, never a value of a message."""

    path: Path
    """The file in hand."""
    refused: bool
    note: dict[str, Any] = field(default_factory=dict)
    """Empty: nothing to say."""
    parts: dict[int, tuple[bytes, dict[str, Any]]] = field(default_factory=dict)
    """Messages of a done file that were refused, by their number in it from 1: bytes and note."""
    beside: tuple[Path, ...] = ()
    """Marker and companions in hand."""


class Endings:
    """Ends files of one folder. All calls do file input and output and may raise OSError."""

    def __init__(self, folder: Path, keep_days: int | None) -> None:
        self._folder = folder
        self._keep_days = keep_days

    def end(self, ending: Ending, now: datetime) -> list[OSError]:
        """Moves a file to its end; answers why notes could not be written. Raises OSError where it cannot be moved."""
        given_up: list[OSError] = []
        day = f"{now.astimezone(UTC):%Y-%m-%d}"
        for number, (raw, note) in list(ending.parts.items()):
            name = f"{_short(ending.path.name)}.message-{number}"
            try:
                self._write(self._place(REFUSED, day) / name, raw, note)
            except OSError as error:
                given_up.append(error)
            del ending.parts[number]
        if self._keep_days == 0 and not ending.refused:
            ending.path.unlink(missing_ok=True)
            for path in ending.beside:
                path.unlink(missing_ok=True)
            return given_up
        folder = self._place(REFUSED if ending.refused else DONE, day)
        target = _free(folder / ending.path.name)
        if ending.note:
            try:
                _write(_noted(target), _bytes(ending.note))
            except OSError as error:
                given_up.append(error)
        for path in ending.beside:
            with suppress(FileNotFoundError):
                path.rename(_free(folder / path.name))
        with suppress(FileNotFoundError):  # somebody took it out by hand
            ending.path.rename(target)
        return given_up

    def sweep(self, now: datetime) -> None:
        """Deletes days of `done` that are older than the setting allows."""
        if not self._keep_days:
            return
        oldest = f"{now.astimezone(UTC) - timedelta(days=self._keep_days):%Y-%m-%d}"
        with suppress(FileNotFoundError):
            for name in os.listdir(self._folder / DONE):
                if _DAY.match(name) and name < oldest:
                    shutil.rmtree(self._folder / DONE / name)

    def _place(self, end: str, day: str) -> Path:
        folder = self._folder / end / day
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            if not folder.parent.is_dir():
                raise
            return folder.parent  # a full disk makes no folder, but moves a file
        return folder

    def _write(self, path: Path, raw: bytes, note: dict[str, Any]) -> None:
        target = _free(path)
        _write(_noted(target), _bytes(note))
        _write(target, raw)


def _bytes(note: dict[str, Any]) -> bytes:
    return json.dumps(note, indent=2).encode() + b"\n"


def _noted(path: Path) -> Path:
    return path.with_name(path.name + NOTE) if _fits(path.name + NOTE) else path.with_name(_short(path.name) + NOTE)


def _write(path: Path, raw: bytes) -> None:
    """All of it, or nothing."""
    try:
        with path.open("wb") as file:
            file.write(raw)
    except OSError:
        with suppress(OSError):
            path.unlink()
        raise


def _free(path: Path) -> Path:
    """The path, or the first of `NAME~2`, `NAME~3` ... that nothing stands at."""
    taken, number = path, 1
    while os.path.lexists(taken):
        number += 1
        taken = path.with_name(f"{_short(path.name)}~{number}")
    return taken


def _fits(name: str) -> bool:
    return len(os.fsencode(name)) <= 255


def _short(name: str) -> str:
    return os.fsdecode(os.fsencode(name)[:_LONGEST])
