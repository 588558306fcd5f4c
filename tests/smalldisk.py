"""A real file system of a few hundred megabytes, for tests that fill it or take its writability away."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

MEGABYTES = 480
PATIENCE = 300
HOW = "needs root and loop devices: run as root, in a container with --privileged or --cap-add SYS_ADMIN and /dev/loop*"


class SmallDisk:
    """An ext4 in a sparse file, mounted at `place`."""

    def __init__(self, image: Path, place: Path) -> None:
        self.image = image
        self.place = place
        self._filling = place / ".filling"

    def mount(self) -> None:
        _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.place))

    def remount(self, how: str) -> None:
        """`ro` (refused by the kernel while a file is open for writing) or `rw`."""
        _run("mount", "-o", f"remount,{how}", str(self.place))

    def fail(self) -> None:
        """What the kernel does when the disk fails under a file system: from now on it takes no write."""
        device = Path(_run("findmnt", "-n", "-o", "SOURCE", str(self.place)).strip()).name
        Path(f"/sys/fs/ext4/{device}/trigger_fs_error").write_text("1")

    def repair(self) -> None:
        """Unmounted as soon as nobody has a file open there, checked, mounted again."""
        for _ in range(PATIENCE):
            with suppress(RuntimeError):
                _run("umount", str(self.place))
                break
            time.sleep(0.2)
        # 1: errors were corrected
        _run("e2fsck", "-p", "-f", str(self.image), good=(0, 1))
        self.mount()

    def free_bytes(self) -> int:
        stat = os.statvfs(self.place)
        return stat.f_bavail * stat.f_frsize

    def fill(self) -> None:
        """To the last block. Blocks are only promised, so it is done at once."""
        with self._filling.open("ab") as file:
            size = file.tell()
            step = self.free_bytes()
            while step >= 4096:
                try:
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                    step = self.free_bytes()
                except OSError:
                    step //= 2

    def clear(self) -> None:
        self._filling.unlink()


@contextmanager
def small_disk(image: Path, place: Path) -> Iterator[SmallDisk]:
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip(f"a small file system {HOW}; and mkfs.ext4 (package e2fsprogs)")
    with image.open("wb") as file:
        file.truncate(MEGABYTES << 20)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    place.mkdir(parents=True, exist_ok=True)
    disk = SmallDisk(image, place)
    try:
        disk.mount()
    except RuntimeError as error:
        pytest.skip(f"a small file system {HOW} ({error})")
    try:
        yield disk
    finally:
        with suppress(RuntimeError):
            _run("umount", "-l", str(place))
        image.unlink()


def _run(*command: str, good: tuple[int, ...] = (0,)) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    if done.returncode not in good:
        raise RuntimeError(f"{command[0]}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout
