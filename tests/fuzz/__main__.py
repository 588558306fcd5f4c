"""`python -m tests.fuzz [--hl7v2 N] [--ccda N] [--seed S] [--jobs J] [--only NUMBER --format F]`: ends with 1 where an input did harm."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.fuzz.trial import Bad, made, seeds, tried

SHARE = 2_000
SHOWN = 20


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument(
        "--hl7v2", type=int, default=1_000_000, metavar="N", help="damaged messages (default a million)"
    )
    parser.add_argument("--ccda", type=int, default=100_000, metavar="N", help="damaged documents (default 100,000)")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--format", choices=["hl7v2", "ccda"], help="of the input that --only writes")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="write this one input to standard output")
    chosen = parser.parse_args(arguments)
    if chosen.only is not None:
        kind = chosen.format or "hl7v2"
        sys.stdout.buffer.write(made(kind, chosen.seed, chosen.only, seeds(kind)))
        return 0
    failed = False
    for kind in ("hl7v2", "ccda"):
        count = getattr(chosen, kind)
        began = time.monotonic()
        outcomes, bad = run(kind, chosen.seed, count, chosen.jobs)
        print(f"{kind}: {count} damaged inputs in {time.monotonic() - began:.0f} s, {len(bad)} did harm")
        for name, times in outcomes.most_common():
            print(f"  {times:8}  {name}")
        for one in bad[:SHOWN]:
            print(
                f"  number {one.number}: {one.text}  (again: --format {kind} --seed {chosen.seed} --only {one.number})"
            )
        failed |= bool(bad)
    return int(failed)


def run(kind: str, seed: int, count: int, jobs: int) -> tuple[Counter[str], list[Bad]]:
    """All of a run, in shares, on `jobs` processes."""
    outcomes: Counter[str] = Counter()
    bad: list[Bad] = []
    shares = [range(at, min(at + SHARE, count)) for at in range(0, count, SHARE)]
    with ProcessPoolExecutor(jobs) as pool:
        for tally in pool.map(partial(tried, kind, seed), shares):
            outcomes.update(tally.outcomes)
            bad += tally.bad
    return outcomes, bad


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
