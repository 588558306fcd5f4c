"""One damaged input: its outcome, and what must hold of it."""

from __future__ import annotations

import random
import resource
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from hie import registry
from hie.errors import Rejected
from hie.fhir import digits
from hie.fhir.validate import issues
from hie.model import FeedContext
from tests.fuzz import mutate

ROOT = Path(__file__).parents[2]
CONTEXT = FeedContext(feed="fuzz", timezone="America/New_York")
SEEDS = {
    "hl7v2": ("tests/adapters/hl7v2/golden/*.hl7", "adapters/hl7v2/samples/*.hl7"),
    "ccda": ("tests/adapters/ccda/golden/*.xml", "adapters/ccda/samples/*.xml"),
}
MUTATE: dict[str, Callable[[bytes, random.Random], bytes]] = {"hl7v2": mutate.message, "ccda": mutate.document}
CPU_SECONDS = 10
"""Of one input of a few kilobytes: a hundred times what any costs, so that only what has no end is caught."""
MEMORY = 2 * 1024**3


class Bad(NamedTuple):
    """An input that something must be done about. `number` makes it again."""

    number: int
    text: str


class Tally(NamedTuple):
    outcomes: Counter[str]
    bad: list[Bad]


def seeds(format: str) -> list[bytes]:
    return [file.read_bytes() for pattern in SEEDS[format] for file in sorted(ROOT.glob(pattern))]


def made(format: str, seed: int, number: int, inputs: list[bytes]) -> bytes:
    """Input `number` of a run: the same wherever and whenever it is made."""
    chance = random.Random(f"{format}:{seed}:{number}")
    return MUTATE[format](chance.choice(inputs), chance)


def tried(format: str, seed: int, numbers: range) -> Tally:
    """A share of a run, in a process whose memory and whose time for each input are bounded."""
    with suppress(ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, _too_long)
    inputs = seeds(format)
    outcomes: Counter[str] = Counter()
    bad: list[Bad] = []
    for number in numbers:
        raw = made(format, seed, number, inputs)
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        try:
            outcomes[outcome(format, raw)] += 1
        except BaseException as error:
            bad.append(Bad(number, f"{type(error).__name__}: {error}"[:300]))
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
    return Tally(outcomes, bad)


def outcome(format: str, raw: bytes) -> str:
    """`decoded`, or the code of the refusal. Raises whatever the decoder should not have raised, and AssertionError for a
    record that is no valid FHIR, refers to what is not there, cannot be written, or hides a failure of ours."""
    failure = None
    records: list[Any] = []
    with suppress(Rejected):
        registry.decoder(format, "peek")(raw)
    try:
        for record in registry.decoder(format, "decode")(raw, CONTEXT):
            records.append(record)
    except Rejected as refused:
        failure = refused.code
    for record in records:
        found = issues(record.resources)
        assert not found, found[0]
        digits.dumps(list(record.resources))
        hidden = [w.where for w in record.warnings if w.code in ("segment-failed", "entry-failed")]
        assert not hidden, f"a mapping failed at {hidden[0]}"
    return failure or ("decoded" if records else "nothing")


def _too_long(number: int, frame: FrameType | None) -> None:
    raise TimeoutError(f"more than {CPU_SECONDS} s of CPU")
