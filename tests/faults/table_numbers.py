"""What a bad neighbour costs the others: acknowledgement times of good senders alone, then beside each of them.

Times are compared within one run and never against a fixed figure: machines differ, and this one is shared.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.faults.table_site import TableSite

NEIGHBOURS = {
    "frames": "frames of 16 MB, one after the other",
    "idle": "300 idle connections",
    "segments": "messages of 20,000 segments, one after the other",
}


class Measured(NamedTuple):
    """Milliseconds."""

    neighbour: str
    messages: int
    p50: float
    p99: float
    alone_p50: float
    alone_p99: float

    @property
    def factor(self) -> float:
        return self.p99 / self.alone_p99


def measure(site: TableSite, neighbour: str, seconds: float) -> Measured:
    """At a whole node, which has worked off what came before; the neighbour has a feed of its own."""
    site.settled(300)
    return compare(neighbour, site.north, site.river, seconds)


def compare(neighbour: str, port: int, neighbours_port: int, seconds: float) -> Measured:
    """Good senders alone, then beside the neighbour."""
    alone = _good(port, seconds)
    with _beside(neighbour, neighbours_port, seconds):
        beside = _good(port, seconds)
    shares = (_share(beside, 0.5), _share(beside, 0.99), _share(alone, 0.5), _share(alone, 0.99))
    return Measured(neighbour, len(beside), *shares)


def _good(port: int, seconds: float) -> list[float]:
    done = subprocess.run(_command("good", port, seconds), stdout=subprocess.PIPE, check=True)
    return sorted(json.loads(done.stdout))


@contextmanager
def _beside(neighbour: str, port: int, seconds: float) -> Iterator[None]:
    with subprocess.Popen(_command(neighbour, port, seconds + 2), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        yield
        process.communicate(timeout=120)
    assert process.returncode == 0, neighbour


def _command(what: str, port: int, seconds: float) -> list[str]:
    return [sys.executable, "-m", "tests.faults.table_load", what, str(port), str(seconds)]


def _share(times: list[float], share: float) -> float:
    return times[min(len(times) - 1, int(share * len(times)))] * 1000
