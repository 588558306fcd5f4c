"""Runs a node until it is told to stop (SIGTERM or Ctrl-C). On SIGHUP it takes on its changed configuration file (hie reload).

example: hie run --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from hie.errors import ConfigurationError

if TYPE_CHECKING:
    from hie.node import Web
    from hie.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration; without it the built-in default: "
        "one MLLP feed on 127.0.0.1:2575, console on 127.0.0.1:8080, state in ./var",
    )
    parser.add_argument(
        "--last-good",
        action="store_true",
        help="where the file has errors, start with the last configuration that a node on this state directory accepted",
    )


def run(arguments: argparse.Namespace) -> int:
    from hie.node import Node

    settings = _settings(arguments.config, arguments.last_good)
    return Node(settings, _web, arguments.config).run(lambda line: print(line, flush=True))


def _settings(file: Path | None, last_good: bool) -> Settings:
    from hie import lastgood
    from hie.cli.configuration import settings_of
    from hie.examination import examine

    if file is None:
        return settings_of(None)
    # the engine would find these too, again and again, while clinics are acknowledged and nothing is delivered
    found = examine(file)
    if not found.errors:
        return found.accepted()
    for error in found.errors:
        print(f"hie: {error}", file=sys.stderr)
    var = lastgood.state_directory(file)
    if last_good:
        settings = lastgood.load(var)
        print(f"hie: starts with the last good configuration, {settings.hash}", file=sys.stderr)
        return settings
    hint = "hie check --config FILE"
    if (var / lastgood.FOLDER / lastgood.FILE).exists():
        hint += "; or start with the last good one: hie run --last-good --config FILE"
    raise ConfigurationError("the configuration has errors", file=str(file), code="not-started", hint=hint)


def _web() -> Web:
    from hie.api import server

    return server
