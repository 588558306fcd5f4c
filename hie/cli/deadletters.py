"""Deliveries that were given up: grouped, looked at, released into the queue again, or taken out for good.

A release goes oldest first, under the same key, as today's identity and consent decide. What a newer message has told the
subscriber since is not sent with its old content: it ends as superseded.

example: hie deadletters list
example: hie deadletters list --subscriber county-lab --reason refused --json
example: hie deadletters show 1042
example: hie deadletters release --subscriber county-lab --reason refused --dry-run
example: hie deadletters purge --delivery 1042 --because "the practice has closed" --yes
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
    listed = actions.add_parser("list", help="groups by subscriber and reason, and the oldest ones")
    listed.add_argument("--limit", type=int, default=20, metavar="N", help="how many to name")
    shown = actions.add_parser("show", help="one, with the reason and what the subscriber said")
    shown.add_argument("delivery", type=int, metavar="DELIVERY_ID")
    looking(shown)
    release = actions.add_parser("release", help="back into the queue")
    purge = actions.add_parser("purge", help="out for good, with a reason")
    purge.add_argument("--because", required=True, metavar="TEXT", help="stays with each of them; no names in it")
    for action in (listed, release, purge):
        action.add_argument("--delivery", type=int, action="append", default=[], metavar="ID")
        action.add_argument("--message", action="append", default=[], metavar="ID")
        chosen.choices(action)
    for action in (release, purge):
        chosen.ordering(action)
    for action in (listed, shown, release, purge):
        chosen.common(action)


def run(arguments: argparse.Namespace) -> int:
    from hie.chosen import counted, extent
    from hie.cli import chosen
    from hie.cli.configuration import settings_of

    settings = settings_of(arguments.config)
    if arguments.action == "show":
        return _show(arguments, settings)
    if arguments.action == "list":
        arguments.all = True
    which = chosen.selection(arguments, messages=arguments.message, numbers=arguments.delivery)
    if arguments.action == "list":
        return chosen.overview(arguments, settings, "deadletters", which, _plain, LINE, "No dead letters.")
    if arguments.action == "purge":
        return _purge(arguments, settings, which)
    return chosen.order(
        arguments,
        settings,
        "deadletters",
        which,
        lambda c: (extent(c, "deadletters", which)[0], counted(c, "deadletters", which)),
    )


FIELDS = ("id", "message_id", "subscriber", "reason", "text", "answer", "attempts", "queued_at", "finished_at", "key")

LINE = "{id:>9}  {message_id}  {subscriber:<16} {reason:<14} {text}"


def _plain(row: Any) -> dict[str, Any]:
    return {name: getattr(row, name) for name in FIELDS}


def _show(arguments: argparse.Namespace, settings: Settings) -> int:
    from hie.chosen import everything
    from hie.cli import chosen
    from hie.cli.content import show
    from hie.cli.direct import reading
    from hie.errors import NotFound
    from hie.store.selection import Selection

    with reading(settings) as connection:
        which = Selection(numbers=(arguments.delivery,))
        row = connection.execute(everything(connection, "deadletters", which)).first()
    if row is None:
        raise NotFound(f"delivery {arguments.delivery} is no dead letter")
    found = _plain(row)
    content = show(arguments, settings, row.message_id)
    if arguments.json:
        chosen.write({**found, "content": content})
        return 0
    for name, value in found.items():
        print(f"{name:<12} {value}")
    for line in content or ():
        print(line)
    return 0


def _purge(arguments: argparse.Namespace, settings: Settings, which: Selection) -> int:
    from hie import control
    from hie.chosen import counted, everything
    from hie.cli import chosen
    from hie.cli.direct import actor, reading

    chosen.check(settings, which)
    with reading(settings) as connection:
        groups = counted(connection, "deadletters", which)
        ids = [row.id for row in connection.execute(everything(connection, "deadletters", which))]
    if not arguments.dry_run and ids and not chosen.confirmed(arguments, "deadletters", len(ids), groups):
        return 2
    purged = 0
    for start in range(0, 0 if arguments.dry_run else len(ids), 500):
        asked = {"ids": ids[start : start + 500], "reason": arguments.because}
        purged += control.ask(settings.var, "delivery.purge", asked, actor())["count"]
    found = {"kind": "purge", "dry_run": arguments.dry_run, "total": len(ids), "purged": purged, "counts": groups}
    if arguments.json:
        chosen.write(found)
    else:
        print(f"{purged:,} of {len(ids):,} taken out" if not arguments.dry_run else f"{len(ids):,} would be taken out")
    return 0 if purged == len(ids) or arguments.dry_run else 1
