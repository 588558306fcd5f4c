"""Shadow mode: what hie would have sent beside what the present engine sent. Shows places and reasons, never values.

example: hie shadow report --subscriber er --since 24h
example: hie shadow report --subscriber er --sent /srv/engine/out --json
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Any

import orjson


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    report = actions.add_parser("report", help="differences against what the present engine sent")
    report.add_argument("--config", type=Path, metavar="FILE")
    report.add_argument("--subscriber", metavar="NAME", help="one subscriber; default: each that has a shadow")
    report.add_argument("--since", default="24h", metavar="AGE", help="how far back: 90m, 24h, 7d (default 24h)")
    report.add_argument("--sent", type=Path, metavar="DIR", help="folder of what the present engine sent")
    report.add_argument("--ignore", action="append", default=[], metavar="PLACE", help="do not compare: MSH-10, ZPI")
    report.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.cli.direct import reading
    from hie.errors import ConfigurationError
    from hie.intake.journals import open_reader
    from hie.sections import duration
    from hie.shadow.report import filed, report, tapped

    settings = settings_of(arguments.config)
    names = [s.name for s in settings.subscribers]
    if arguments.subscriber and arguments.subscriber not in names:
        raise ConfigurationError(
            f"no subscriber is called {arguments.subscriber!r}",
            code="unknown-subscriber",
            hint=f"one of {', '.join(names)}",
        )
    if arguments.sent and not arguments.sent.is_dir():
        raise ConfigurationError("there is no such folder", file=str(arguments.sent), code="no-folder")
    if arguments.sent and not arguments.subscriber:
        raise ConfigurationError("--sent needs --subscriber: whose messages are these?", code="usage")
    try:
        at = time.time() - duration(arguments.since)
    except (ValueError, TypeError):
        raise ConfigurationError("--since looks like 90m, 24h or 7d", code="usage") from None
    tapping = {feed.tap for feed in settings.feeds}
    shadows = any(feed.shadow for feed in settings.feeds)
    chosen = [
        s
        for s in settings.subscribers
        if s.name == arguments.subscriber or (not arguments.subscriber and (s.shadow or s.name in tapping or shadows))
    ]
    found = []
    journal = open_reader(settings.database_url, settings.var / "journal")
    with reading(settings) as connection:
        for subscriber in chosen:
            theirs = list(
                filed(arguments.sent) if arguments.sent else tapped(connection, journal, settings, subscriber.name, at)
            )
            found.append(report(connection, settings, subscriber, at, theirs, frozenset(arguments.ignore)))
    if arguments.json:
        sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
    elif not found:
        print("no subscriber and no feed is in shadow: set `shadow: true` on one")
    for one in [] if arguments.json else found:
        _print(one)
    return 0


def _print(one: dict[str, Any]) -> None:
    print(f"{one['subscriber']}: we would have sent {one['ours']}, the present engine sent {one['theirs']}")
    print(f"  the same          {one['same']:6}")
    print(f"  with differences  {one['differ']:6}")
    for place in one["places"]:
        print(f"      {place['place']:<34} {place['messages']:6} messages   e.g. {place['example']}")
    for event in one["only_ours"]:
        print(f"  only we           {event['count']:6}  {event['event']:<10} e.g. {event['example']}")
    for reason in one["only_theirs"]:
        print(
            f"  only they         {reason['count']:6}  {reason['reason']}: {reason['text']}   e.g. {reason['example']}"
        )
    if one["unreadable"]:
        print(f"  of theirs unreadable {one['unreadable']}")
