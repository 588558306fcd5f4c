"""A small disk that can be filled, and a folder seen by somebody who is not root."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

NOBODY = 65534


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KB with room for 40 files."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k,nr_inodes=40", "none", str(disk)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("a small disk needs the right to mount: run as root, or in a container with CAP_SYS_ADMIN")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def unprivileged() -> Iterator[Callable[[], Path]]:
    """A folder of our own, and from the call on no right to what is others'."""
    folder = Path(tempfile.mkdtemp(prefix="hie-files-"))
    before = os.geteuid()

    def drop() -> Path:
        if before == 0:
            for path in (folder, *folder.rglob("*")):
                os.chown(path, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        return folder

    try:
        yield drop
    finally:
        os.seteuid(before)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o700)
        shutil.rmtree(folder)
