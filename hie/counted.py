"""Reads what the node's processes counted, from prometheus-client's multiprocess files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.multiprocess import MultiProcessCollector

HEADER = 8
"""Bytes with which a file begins once it can be read."""


class Counted(MultiProcessCollector):
    """All processes' files in one, but for those that a process left empty because it was killed as it made them: one of
    them would otherwise hide the counts of all others until the node starts anew."""

    def __init__(self, registry: CollectorRegistry, directory: Path) -> None:
        self._directory = directory
        super().__init__(registry, path=str(directory))  # type: ignore[no-untyped-call]

    def collect(self) -> Iterable[Metric]:
        files = [str(file) for file in self._directory.glob("*.db") if file.stat().st_size > HEADER]
        found: Iterable[Metric] = self.merge(files, accumulate=True)  # type: ignore[no-untyped-call]
        return found
