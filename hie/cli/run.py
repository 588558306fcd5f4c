"""Runs a node until it is told to stop (SIGTERM or Ctrl-C).

example: hie run --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hie.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="configuration; without it the built-in default: "
        "one MLLP feed on 127.0.0.1:2575, console on 127.0.0.1:8080, state in ./var",
    )


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.examination import examine
    from hie.node import Node

    # the engine would find these too, again and again, while clinics are acknowledged and nothing is delivered
    settings = examine(arguments.config).accepted() if arguments.config else settings_of(None)
    return Node(settings, _web).run(lambda line: print(line, flush=True))


def _web() -> Callable[[Settings], None]:
    from hie.api.server import run as serve

    return serve
