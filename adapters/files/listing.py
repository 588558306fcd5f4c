"""What of a folder may be taken now: names by pattern, files that have come to rest, in a stable order."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from adapters.files.lease import TAKING
from adapters.files.settings import FolderSource

DONE, REFUSED = "done", "refused"
OURS = frozenset({TAKING, DONE, REFUSED})


class Found(NamedTuple):
    """A file at rest."""

    path: Path
    modified: int
    """Nanoseconds since the epoch, by the clock of the file system."""
    size: int
    beside: tuple[Path, ...] = ()
    """Its marker and companions."""


class Listing:
    """Looks at one folder again and again, and remembers since when each file is as it is."""

    def __init__(self, settings: FolderSource, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._folder = settings.folder
        self._clock = clock
        self._patterns = tuple(p.lower() for p in settings.patterns)
        self._ignored = tuple(p.lower() for p in settings.ignore)
        self._endings = tuple(e for e in (settings.marker, *settings.companions) if e)
        self._rest: dict[str, tuple[int, int, float]] = {}
        self.waiting = 0
        """Files seen at the last look that are not at rest yet, or lack their marker."""

    def look(self) -> list[Found]:
        """Files at rest, oldest first and by name among the equally old. Raises OSError where the folder cannot be read."""
        now = self._clock()
        seen: dict[str, tuple[int, int, float]] = {}
        found = []
        self.waiting = 0
        for names, entry in self._walk(self._folder):
            if not self._wanted(entry.name):
                continue
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if not stat.S_ISREG(status.st_mode):
                continue
            beside = self._beside(Path(entry.path), names)
            state = self._rest.get(entry.path)
            if state is None or state[:2] != (status.st_size, status.st_mtime_ns):
                state = (status.st_size, status.st_mtime_ns, now)
            seen[entry.path] = state
            if beside is not None and now - state[2] >= self._settings.settle_seconds:
                found.append(Found(Path(entry.path), status.st_mtime_ns, status.st_size, beside))
            else:
                self.waiting += 1
        self._rest = seen
        return sorted(found, key=lambda f: (f.modified, os.fsencode(f.path)))

    def forget(self, found: Found) -> None:
        """It was taken: a new file of this name must come to rest by itself."""
        self._rest.pop(str(found.path), None)

    def _walk(self, folder: Path) -> Iterator[tuple[frozenset[str], os.DirEntry[str]]]:
        with os.scandir(folder) as listed:
            entries = list(listed)
        names = frozenset(entry.name for entry in entries) if self._endings else frozenset()
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                yield names, entry
            elif self._settings.subfolders and entry.name not in OURS and not entry.name.startswith("."):
                yield from self._walk(Path(entry.path))

    def _wanted(self, name: str) -> bool:
        lower = name.lower()
        if name.startswith(".") or lower.endswith(self._endings or ("\x00",)):
            return False
        return any(fnmatchcase(lower, p) for p in self._patterns) and not any(
            fnmatchcase(lower, p) for p in self._ignored
        )

    def _beside(self, path: Path, names: frozenset[str]) -> tuple[Path, ...] | None:
        """Marker and companions that stand beside a file; None where it still lacks its marker."""
        beside = []
        for ending in self._endings:
            there = [name for name in (path.name + ending, path.stem + ending) if name in names]
            if ending == self._settings.marker and not there:
                return None
            beside += [path.parent / name for name in there]
        return tuple(beside)
