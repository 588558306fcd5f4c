"""Read stored messages again with today's decoders, labels, identity and routing, in their place in the order of events.

Subscribers whose content changes get the new version, under a key that replaces the one they hold; the others get nothing.

example: hie reprocess --feed north --since 7d --dry-run
example: hie reprocess --feed north --since 2026-01-01 --until 2026-02-01 --rate 20 --yes
example: hie reprocess 20260131-00000042 --yes
example: hie reprocess list
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hie.settings import Settings
    from hie.store.selection import Selection


def configure(parser: argparse.ArgumentParser) -> None:
    from hie.cli import chosen

    chosen.of_messages(parser, "routed, quarantined")


def run(arguments: argparse.Namespace) -> int:
    from hie.chosen import extent
    from hie.cli import chosen
    from hie.cli.configuration import settings_of

    settings = settings_of(arguments.config)
    if (answered := chosen.of_repairs(arguments, settings)) is not None:
        return answered
    which = chosen.selection(arguments, messages=arguments.what, outcomes=arguments.outcome)
    return chosen.order(
        arguments,
        settings,
        "reprocess",
        which,
        lambda c: (extent(c, "reprocess", which)[0], foreseen(c, settings, which, "reprocess")),
    )


def foreseen(connection: Connection, settings: Settings, which: Selection, kind: str) -> Mapping[str, int]:
    """What reading each message again would come to. Reads only; about a millisecond a message."""
    from hie import reprocess
    from hie.audit.chain import Chain, Trail
    from hie.chosen import everything
    from hie.errors import NotFound
    from hie.identify import Identity
    from hie.intake.journals import open_reader
    from hie.pipeline import Pipeline
    from hie.routing import Router

    router = Router(settings.subscribers, settings.directory)
    pipeline = Pipeline(settings, Identity(), router, Trail(connection.engine, Chain(settings.name)))
    counts: Counter[str] = Counter()
    ids = [row.id for row in connection.execute(everything(connection, kind, which))]
    with open_reader(settings.database_url, settings.var / "journal") as journal:
        for done, id in enumerate(ids, 1):
            try:
                step = reprocess.step_of(pipeline, journal.get(id), kind)
            except NotFound:
                counts["past retention"] += 1
                continue
            counts.update(reprocess.foresee(connection, pipeline, step).counts)
            if sys.stderr.isatty() and done % 100 == 0:
                sys.stderr.write(f"\r{done:,} of {len(ids):,} looked at")
                sys.stderr.flush()
    return dict(sorted(counts.items()))
