"""The life of one message: received, understood, attributed, offered, and what became of each delivery, with times.

example: hie trace 20260131-00000042
"""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("message_id", metavar="MESSAGE_ID")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.cli.direct import reading
    from hie.intake import journals
    from hie.life import life

    settings = settings_of(arguments.config)
    journal = journals.open_reader(settings.database_url, settings.var / "journal")
    with journal, reading(settings) as connection:
        found = life(connection, journal, arguments.message_id)
    if arguments.json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(found)
    return 0


def _print(found: dict[str, Any]) -> None:
    start = found["received_at"]
    print(f"{found['message_id']}  {found['event']}  from feed {found['feed']}  control id {found['control_id']}")
    for step in found["steps"]:
        clock = datetime.fromtimestamp(step["at"], UTC).strftime("%H:%M:%S.%f")[:-3]
        print(f"  {clock}  +{(step['at'] - start) * 1000:9.1f} ms  {step['step']:<12} {step['text']}")
