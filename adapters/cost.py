"""What a piece of work costs in CPU time, to be compared with other work in the same run."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

from hie.errors import Rejected


def cpu_seconds(work: Callable[[], object]) -> float:
    """The least of three runs: whatever else the machine does makes none of them cheaper. A refusal is an answer too."""
    found = []
    for _ in range(3):
        started = time.process_time()
        with suppress(Rejected):
            work()
        found.append(time.process_time() - started)
    return min(found)


def copying(raw: bytes) -> float:
    """CPU seconds of one copy: the measure for what only searches."""
    return cpu_seconds(lambda: [raw[i:] for i in range(8)]) / 8
