"""CPU of decoding C-CDA: `python tests/perf/bench_ccda_decode.py [--corpus DIR]`, one JSON line.

A made-up document of 100 KB (patient, problems, medications, results with narrative tables) is decoded; the time of the
XML pass alone stands beside it. With a corpus, the median and the 90th percentile per 100 KB over its documents of at
least 20 KB, best of five runs each.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from adapters.ccda.decode import decode
from adapters.ccda.peek import peek
from adapters.ccda.tree import parse
from hie.errors import Rejected
from tests.adapters.ccda import test_medications, test_problems, test_results
from tests.adapters.ccda.document import CONTEXT, document, entry, section


def sample(size: int = 100_000) -> bytes:
    """A document of about `size` bytes."""
    count = 4
    while True:
        rows = "".join(
            f'<tr ID="m{n}"><td>Drug number {n}</td><td>one tablet in the morning</td></tr>' for n in range(count)
        )
        drugs = "".join(
            test_medications.drug('<doseQuantity value="1"/>').replace("#m1", f"#m{n}").replace('"m1"', f'"m{n}"')
            for n in range(count)
        )
        problems = "".join(
            test_problems.problem().replace('"p1"', f'"p{n}"').replace('"c1"', f'"c{n}"') for n in range(count)
        )
        results = "".join(
            entry(test_results.observation(test_results.pq(100 + n, "mmol/L"), number=f"r{n}")) for n in range(count)
        )
        table = f"<table><thead><tr><th>Name</th><th>How</th></tr></thead><tbody>{rows}</tbody></table>"
        raw = document(section("10160-0", drugs, table), section("11450-4", problems), section("30954-2", results))
        if len(raw) >= size:
            return raw
        count += 1


def best(call: Callable[[], object], runs: int) -> float:
    """Milliseconds of CPU, best of `runs`."""
    times = []
    for _ in range(runs):
        start = time.process_time()
        call()
        times.append(time.process_time() - start)
    return min(times) * 1000


def over(folder: Path) -> dict[str, float]:
    per = []
    for path in folder.rglob("*"):
        if path.suffix.lower() not in (".xml", ".ccda") or path.stat().st_size < 20_000:
            continue
        raw = path.read_bytes()
        try:
            per.append(best(lambda raw=raw: list(decode(raw, CONTEXT)), 5) * 100_000 / len(raw))  # type: ignore[misc]
        except Rejected:
            continue
    per.sort()
    return {"documents": len(per), "median": round(statistics.median(per), 2), "p90": round(per[len(per) * 9 // 10], 2)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--corpus", type=Path)
    folder = options.parse_args().corpus
    raw = sample()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)  # as the processes that decode have it
    found = {
        "bytes": len(raw),
        "resources": len(next(decode(raw, CONTEXT)).resources),
        "decode_ms": round(best(lambda: list(decode(raw, CONTEXT)), 15), 2),
        "parse_ms": round(best(lambda: parse(raw), 15), 2),
        "peek_us": round(best(lambda: [peek(raw) for _ in range(1000)], 5), 2),
    }
    if folder:
        found["corpus_ms_per_100kb"] = over(folder)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
