"""The work list of codes and fields without a standard meaning, by sender; and the file to fill in.

A code stays as it was sent and never holds up its message. `list` shows what nobody has answered yet, `export` gives a sheet or
a FHIR ConceptMap to fill in: put in place by `codes:` of the feed and taken on by `hie reload`, its entries are answered.

example: hie codes list --feed north
example: hie codes export --feed north --format conceptmap
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

if TYPE_CHECKING:
    from hie.worklist import Item


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    shown = actions.add_parser("list", help="what has no standard meaning, the most frequent first")
    given = actions.add_parser("export", help="a file to fill in, on stdout")
    for each in (shown, given):
        each.add_argument("--config", type=Path, metavar="FILE")
        each.add_argument("--feed", default="", metavar="NAME", help="what came by this feed")
        each.add_argument("--sender", default="", metavar="SENDER", help="application|facility, as `list` shows it")
        each.add_argument("--since", default="90d", metavar="AGE", help="seen since: 24h, 7d (default 90d)")
    shown.add_argument("--kind", choices=("code", "field"), help="codes alone, or fields that nobody reads alone")
    shown.add_argument("--answered", action="store_true", help="those that the configuration answers by now")
    shown.add_argument("--json", action="store_true", help="one JSON object on stdout")
    given.add_argument(
        "--format", choices=("tsv", "conceptmap"), default="tsv", help="a sheet (default) or a ConceptMap"
    )


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.cli.direct import reading
    from hie.errors import ConfigurationError
    from hie.sections import duration
    from hie.spelling import meant
    from hie.worklist import concept_map, tsv, waiting, worklist

    settings = settings_of(arguments.config)
    feeds = [feed.name for feed in settings.feeds]
    if arguments.feed and arguments.feed not in feeds:
        hint = meant(arguments.feed, feeds)
        raise ConfigurationError(f"no feed is called {arguments.feed!r}", code="unknown-feed", hint=hint)
    try:
        since = time.time() - duration(arguments.since)
    except (ValueError, TypeError):
        raise ConfigurationError("--since looks like 90m, 24h or 7d", code="usage") from None
    with reading(settings) as connection:
        found = worklist(connection, settings, feed=arguments.feed, sender=arguments.sender, since=since)
    if arguments.action == "export":
        left = waiting(found)
        if arguments.format == "tsv":
            sys.stdout.write(tsv(left))
        else:
            title = " ".join(filter(None, (arguments.feed or settings.name, arguments.sender)))
            sys.stdout.write(orjson.dumps(concept_map(title, left), option=orjson.OPT_INDENT_2).decode() + "\n")
        return 0
    chosen = [i for i in found if i.answered == arguments.answered and arguments.kind in (None, i.kind)]
    if arguments.json:
        said = {"answered": arguments.answered, "items": [item._asdict() for item in chosen]}
        sys.stdout.write(orjson.dumps(said, option=orjson.OPT_INDENT_2).decode() + "\n")
    else:
        _print(chosen, arguments.answered)
    return 0


def _print(items: list[Item], answered: bool) -> None:
    if not items:
        print("Nothing is answered yet." if answered else "Nothing waits: every code and field has its meaning.")
    for (feed, sender), each in groupby(items, key=lambda item: (item.feed, item.sender)):
        print(f"{feed}  {sender}")
        for item in each:
            day = datetime.fromtimestamp(item.last_at, UTC).strftime("%Y-%m-%d")
            what = f"{item.system}  {item.code}" if item.kind == "code" else item.code
            print(f"  {item.seen:>9,}  {item.kind:<5}  {what:<50}  last {day}  e.g. {item.example}")
