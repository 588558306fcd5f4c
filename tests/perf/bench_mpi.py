"""Cost of the patient index: `python tests/perf/bench_mpi.py [POPULATION]`. Prints JSON and fails where a goal is missed.

Goals (docs/architecture.md): 0.35 ms CPU for a new registration, 0.06 ms for a known one that says nothing new, 0.5 ms for a look-up.
"""

from __future__ import annotations

import json
import sys

from mpi.bench import bench

GOALS = {"register_new_cpu_ms": 0.35, "register_unchanged_cpu_ms": 0.06, "lookup_cpu_ms": 0.5}


def main() -> int:
    figures = bench(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
    print(json.dumps(figures, indent=2))
    missed = [f"{name} {figures[name]} > {goal}" for name, goal in GOALS.items() if figures[name] > goal]
    print("\n".join(missed) or "all goals met", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
