"""`python -m tests.fidelity [--corpus DIR] [--worst N] [--format hl7v2|ccda] [--once]`: the figures of a corpus; ends with 1 where a goal is missed."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.fidelity import document, message
from tests.fidelity.check import check_document, check_message, merged
from tests.fidelity.fact import Verdict
from tests.fidelity.report import report
from tests.fidelity.run import decode, lines

KEPT = 0.97
CORPUS = Path(os.environ.get("HIE_CORPUS", Path(__file__).resolve().parents[2] / ".." / "shared" / "corpus"))
NOT_MESSAGES = {".json", ".md", ".tsv", ".csv"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fidelity", description=__doc__)
    parser.add_argument("--corpus", type=Path, default=CORPUS, help="a folder with hl7v2/ and ccda/ in it")
    parser.add_argument("--worst", type=int, default=15, help="how many of the worst to show")
    parser.add_argument("--format", choices=["hl7v2", "ccda"], action="append", help="one format alone")
    parser.add_argument("--once", action="store_true", help="without the second run")
    chosen = parser.parse_args(arguments)
    if not chosen.corpus.is_dir():
        print(f"no corpus at {chosen.corpus}: name one with --corpus or HIE_CORPUS", file=sys.stderr)
        return 2
    missed = 0
    for kind in chosen.format or ["hl7v2", "ccda"]:
        with tempfile.TemporaryDirectory() as scratch:
            folder = _inputs(kind, chosen.corpus / kind, Path(scratch))
            first = decode(kind, folder)
            same = None if chosen.once else decode(kind, folder) == first
            verdicts, rejected = _judge(kind, first)
        print(report(kind, verdicts, rejected, same, chosen.worst), flush=True)
        kept, lost = sum(len(v.kept) for v in verdicts), sum(len(v.lost) for v in verdicts)
        bad = sum(len(v.unsaid) + len(v.invented) + len(v.invalid) + len(v.dangling) for v in verdicts)
        missed |= kept < KEPT * (kept + lost) or bad > 0 or same is False
    return int(missed)


def _inputs(kind: str, folder: Path, scratch: Path) -> Path:
    """A folder of links to the inputs alone; fragments of C-CDA stand there as documents."""
    for file in sorted(folder.rglob("*")):
        if not file.is_file() or file.suffix.lower() in NOT_MESSAGES or file.parent.name == "licences":
            continue
        target = scratch / "__".join(file.relative_to(folder).parts)
        fragment = document.whole(file) if kind == "ccda" else None
        if fragment is not None:
            target.write_text(fragment, "utf-8")
        else:
            target.symlink_to(file.resolve())
    return scratch


def _judge(kind: str, output: bytes) -> tuple[list[Verdict], Counter[str]]:
    by_file: dict[str, list[dict[str, object]]] = {}
    rejected: Counter[str] = Counter()
    for line in lines(output):
        if line["outcome"] == "decoded":
            by_file.setdefault(line["file"], []).append(line)
        else:
            rejected[line["error"]["code"]] += 1
    verdicts = []
    for file, found in by_file.items():
        if kind == "ccda":
            root = document.load(Path(file))
            if root is not None:
                verdicts.append(check_document(root, merged(found)))
            continue
        messages = message.read(Path(file))
        if len(messages) == 1:
            found = [merged(found)]
        verdicts += [check_message(one, line) for one, line in zip(messages, found, strict=False)]
    return verdicts, rejected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
