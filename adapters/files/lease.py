"""Who works a folder: one node at a time, so that files keep their order, with a successor when it dies.

A holder has folders `TOKEN.N` in `.taking/`. They show its life by their times, which it renews, and hold the file it has in
hand. Another node that saw no change for the length of the lease, by its own clock, renames them to its own token: a
rename happens once, so there is one successor, and it finds the file of the dead one in what it took over.
"""

from __future__ import annotations

import os
import re
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

TAKING = ".taking"
_NAME = re.compile(r"([0-9a-f]{16})\.\d+\Z")


class Lease:
    """The hold of one node on one folder. All calls do file input and output; any may raise OSError."""

    def __init__(self, folder: Path, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.taking = folder / TAKING
        self.token = secrets.token_hex(8)
        self._seconds = seconds
        self._clock = clock
        self._seen: dict[str, tuple[int, float]] = {}
        self._last = 0

    def hold(self) -> bool:
        """Renews the hold, or tries to get it. False: another node has the folder."""
        mine, others = self._held()
        for name in others:
            if self._silent(name):
                self._take_over(name)
        mine, others = self._held()
        if not others and not mine:
            (self.taking / self._next()).mkdir(parents=True)
            mine, others = self._held()
            if others:  # two came at once: both step back, and come again at different times
                (self.taking / mine[0]).rmdir()
        elif others and min(others) < self.token:
            return False  # two successors: the one that stops renewing is succeeded by the other
        self.renew()
        return bool(mine) and not others

    def renew(self) -> None:
        """Shows life."""
        for name in self._held()[0]:
            os.utime(self.taking / name)

    @property
    def hand(self) -> Path:
        """Where the file in hand lies. Raises FileNotFoundError where the folder is no longer held."""
        mine = self._held()[0]
        if not mine:
            raise FileNotFoundError(self.taking)
        return self.taking / mine[0]

    def in_hand(self) -> list[Path]:
        """Files that this node, or one that it has succeeded, took and did not finish, oldest first."""
        found = []
        for name in self._held()[0]:
            with os.scandir(self.taking / name) as entries:
                found += [(e.stat(follow_symlinks=False).st_mtime_ns, e.name, Path(e.path)) for e in entries]
        return [path for _, _, path in sorted(found)]

    def release(self) -> None:
        """Lets another node have the folder at once. What is still in hand stays, and is found when the lease has ended."""
        with suppress(OSError):
            for name in self._held()[0]:
                with suppress(OSError):
                    (self.taking / name).rmdir()

    def _held(self) -> tuple[list[str], list[str]]:
        try:
            names = sorted(name for name in os.listdir(self.taking) if _NAME.match(name))
        except FileNotFoundError:
            return [], []
        mine = [name for name in names if name.startswith(self.token)]
        return mine, [name for name in names if not name.startswith(self.token)]

    def _silent(self, name: str) -> bool:
        with suppress(FileNotFoundError):
            beat = (self.taking / name).stat().st_mtime_ns
            seen = self._seen.get(name)
            if seen is not None and seen[0] == beat:
                return self._clock() - seen[1] > self._seconds
            self._seen[name] = (beat, self._clock())
        return False

    def _take_over(self, name: str) -> None:
        with suppress(FileNotFoundError):  # another node was first
            (self.taking / name).rename(self.taking / self._next())

    def _next(self) -> str:
        self._last += 1
        return f"{self.token}.{self._last}"
