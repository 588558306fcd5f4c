"""Messages that were kept but not understood, or refused: grouped, looked at, tried again, or taken off the list.

example: hie quarantine list
example: hie quarantine show 20260131-00000042
example: hie quarantine show 20260131-00000042 --content --because decoding-problem
example: hie quarantine release --feed north --reason undecodable --dry-run
example: hie quarantine purge --feed north --until 2026-01-01 --because "test traffic of the go-live" --yes
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hie.settings import Settings
    from hie.store.selection import Selection


def configure(parser: argparse.ArgumentParser) -> None:
    from hie.cli import chosen
    from hie.cli.content import looking

    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    listed = actions.add_parser("list", help="groups by feed and reason, and the oldest ones")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many to name")
    shown = actions.add_parser("show", help="one, with the reason")
    shown.add_argument("message", metavar="MESSAGE_ID")
    looking(shown)
    release = actions.add_parser("release", help="through today's decoders again")
    purge = actions.add_parser("purge", help="off the list; the bytes stay in the journal as long as it is kept")
    purge.add_argument("--because", required=True, metavar="TEXT", help="stays with each of them; no names in it")
    for action in (listed, release, purge):
        action.add_argument("--message", action="append", default=[], metavar="ID")
        chosen.choices(action, subscriber=False, patient=False)
    for action in (release, purge):
        chosen.ordering(action)
    for action in (listed, shown, release, purge):
        chosen.common(action)


def run(arguments: argparse.Namespace) -> int:
    from hie.chosen import extent
    from hie.cli import chosen
    from hie.cli.configuration import settings_of
    from hie.cli.reprocess import foreseen

    settings = settings_of(arguments.config)
    if arguments.action == "show":
        return _show(arguments, settings)
    if arguments.action == "list":
        arguments.all = True
    which = chosen.selection(arguments, messages=arguments.message)
    if arguments.action == "list":
        return chosen.overview(arguments, settings, "quarantine", which, _plain, LINE, "Nothing is in quarantine.")
    if arguments.action == "purge":
        return _purge(arguments, settings, which)
    return chosen.order(
        arguments,
        settings,
        "quarantine",
        which,
        lambda c: (extent(c, "quarantine", which)[0], foreseen(c, settings, which, "quarantine")),
    )


FIELDS = ("id", "feed", "format", "event", "control_id", "received_at", "outcome", "reason", "text", "flags")

LINE = "{id}  {feed:<16} {event:<10} {reason:<16} {text}"


def _plain(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    from hie.chosen import everything
    from hie.cli import chosen
    from hie.cli.content import show
    from hie.cli.direct import reading
    from hie.errors import NotFound
    from hie.store.selection import Selection

    which = Selection(messages=(arguments.message,))
    chosen.check(settings, which)
    with reading(settings) as connection:
        row = connection.execute(everything(connection, "quarantine", which)).first()
    if row is None:
        raise NotFound(f"{arguments.message} is not in quarantine", hint="`hie trace` tells what became of it")
    content = show(arguments, settings, arguments.message)
    if arguments.json:
        chosen.write({**_plain(row), "content": content})
        return 0
    for name, value in _plain(row).items():
        print(f"{name:<12} {value}")
    for line in content or ():
        print(line)
    return 0


def _purge(arguments: argparse.Namespace, settings: Settings, which: Selection) -> int:
    from hie import control
    from hie.chosen import counted, extent
    from hie.cli import chosen
    from hie.cli.direct import actor, reading

    chosen.check(settings, which)
    with reading(settings) as connection:
        total, groups = extent(connection, "quarantine", which)[0], counted(connection, "quarantine", which)
    if not arguments.dry_run and total and not chosen.confirmed(arguments, "quarantine", total, groups):
        return 2
    purged = 0
    if total and not arguments.dry_run:
        asked = {"selection": which.plain(), "reason": arguments.because}
        purged = control.ask(settings.var, "quarantine.purge", asked, actor())["count"]
    if arguments.json:
        chosen.write(
            {"kind": "purge", "dry_run": arguments.dry_run, "total": total, "purged": purged, "counts": groups}
        )
    else:
        print(f"{purged:,} taken off the list" if not arguments.dry_run else f"{total:,} would be taken off the list")
    return 0
