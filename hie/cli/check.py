"""Looks for errors in a configuration: unknown keys with file, line and the nearest valid name, wrong values, names
that nobody has, files that are not there. Starts nothing.

example: hie check --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import orjson


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", required=True)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie import advice
    from hie.settings import problems

    settings, errors = problems(arguments.config)
    warnings = advice.warnings(settings) if settings is not None and not errors else []
    if settings is not None and not errors:
        errors = advice.policy_errors(settings)
    if arguments.json:
        found = {
            "errors": [
                {"file": e.file, "line": e.line, "code": e.code, "text": e.text, "hint": e.hint} for e in errors
            ],
            "warnings": [{"code": code, "text": text} for code, text in warnings],
        }
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        for error in errors:
            print(error)
        for code, text in warnings:
            print(f"warning: {code}: {text}")
        if not errors:
            assert settings is not None
            print(
                f"{arguments.config}: {len(settings.feeds)} feeds, {len(settings.subscribers)} subscribers, "
                f"configuration {settings.hash}: no errors"
            )
    return 2 if errors else 0
