"""Looks at what a node needs: Python and packages, disks, clock, database, certificates, ports, subscribers, and the node
that runs, if one does. Sends nobody a message or data, changes nothing, prints no secrets.

Each line says ok, warn or FAIL, a code, what was found and what to do. Exit code 0: nothing failed; 1: something did.

example: hie doctor --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from hie.doctor.finding import Finding


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="without it the built-in default of `hie run`")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie.doctor.finding import Level

    failed = False
    listed = []
    for part, finding in _everything(arguments.config):
        failed |= finding.level is Level.FAIL
        if arguments.json:
            listed.append(
                {"part": part, "level": finding.level, "code": finding.code, "what": finding.what, "todo": finding.todo}
            )
            continue
        word = "FAIL" if finding.level is Level.FAIL else finding.level.value
        todo = f" ({finding.todo})" if finding.todo else ""
        print(f"{word:<4} {part}: {finding.code}: {finding.what}{todo}", flush=True)
    if arguments.json:
        said = {"ok": not failed, "findings": listed}
        sys.stdout.write(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
    return 1 if failed else 0


def _everything(file: Path | None) -> Iterator[tuple[str, Finding]]:
    """With a configuration that is wrong there is nothing to look for."""
    from hie.cli.configuration import settings_of
    from hie.doctor.finding import Level
    from hie.doctor.rounds import of_configuration, rounds

    wrong = False
    for part, finding in of_configuration(file):
        wrong |= finding.level is Level.FAIL
        yield part, finding
    if not wrong:
        yield from rounds(settings_of(file))
