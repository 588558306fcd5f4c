"""The file in hand: taken by a rename, so that one node has it, and read only if it was and stays at rest."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from adapters.files.lease import Lease
from adapters.files.listing import Found

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class Taken(NamedTuple):
    """A file in hand. `home` is where it was found."""

    path: Path
    home: Path
    beside: tuple[Path, ...] = ()


class Moving(Exception):
    """Somebody still writes the file."""


class TooLarge(Exception):
    """`args[0]` is its size in bytes."""


def take(found: Found, lease: Lease) -> Taken | None:
    """Takes a file; None where another was first. Raises PermissionError where it may not be read: it stays where it is."""
    try:
        os.close(os.open(found.path, _READ))
        hand = lease.hand
        path = found.path.rename(hand / found.path.name)
    except FileNotFoundError:
        return None
    beside = []
    for companion in found.beside:
        with suppress(FileNotFoundError):
            beside.append(companion.rename(hand / companion.name))
    taken = Taken(path, found.path, tuple(beside))
    status = path.lstat()
    if (status.st_size, status.st_mtime_ns) != (found.size, found.modified):
        put_back(taken)
        return None
    return taken


def left(paths: Sequence[Path], endings: tuple[str, ...], home: Path) -> Iterator[Taken]:
    """What a node that died had in hand: files with what belongs to them, then companions without a file."""
    companions = [path for path in paths if endings and path.name.lower().endswith(endings)]
    for path in paths:
        if path not in companions:
            names = {base + ending for base in (path.name, path.stem) for ending in endings}
            beside = tuple(c for c in companions if c.name in names and c.parent == path.parent)
            companions = [c for c in companions if c not in beside]
            yield Taken(path, home / path.name, beside)
    yield from (Taken(path, home / path.name) for path in companions)


def put_back(taken: Taken) -> None:
    """Gives a file back to the folder, companions first: a marker that comes last would be taken for a new one."""
    for path in (*taken.beside, taken.path):
        home = taken.home.parent / path.name
        if not os.path.lexists(home):
            path.rename(home)


def read(path: Path, most: int) -> bytes:
    """The bytes of a file in hand. Raises TooLarge, Moving where it changes meanwhile, OSError."""
    with open(os.open(path, _READ), "rb") as file:
        before = os.fstat(file.fileno())
        if before.st_size > most:
            raise TooLarge(before.st_size)
        raw = file.read(most + 1)
        after = os.fstat(file.fileno())
    if len(raw) != before.st_size or after.st_mtime_ns != before.st_mtime_ns:
        raise Moving
    return raw
