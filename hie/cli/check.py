"""Looks for errors in a configuration and the files it refers to: unknown keys with file, line and the nearest valid
name, wrong values, names that nobody has, transports that lose messages, doors open to everybody. What is allowed but
would be regretted is a warning. Starts nothing.

example: hie check --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from hie.errors import ConfigurationError


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", required=True)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie.examination import examine

    found = examine(arguments.config)
    if arguments.json:
        said = {"errors": [listed(e) for e in found.errors], "warnings": [listed(w) for w in found.warnings]}
        sys.stdout.write(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
        return 2 if found.errors else 0
    for error in found.errors:
        print(error)
    for warning in found.warnings:
        print(f"warning: {warning}")
    if not found.errors:
        assert found.settings is not None
        print(
            f"{arguments.config}: {len(found.settings.feeds)} feeds, {len(found.settings.subscribers)} subscribers, "
            f"configuration {found.settings.hash}: no errors"
        )
    return 2 if found.errors else 0


def listed(error: ConfigurationError) -> dict[str, object]:
    """As `--json` says it."""
    return {"file": error.file, "line": error.line, "code": error.code, "text": error.text, "hint": error.hint}
