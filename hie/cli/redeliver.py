"""Send again what was sent, denied or given up: under the same key, oldest first, as today's identity and consent decide.

example: hie redeliver --subscriber emergency --since 2h --dry-run
example: hie redeliver --subscriber emergency --since 2026-01-31T08:00 --until 2026-01-31T12:00 --rate 50 --yes
example: hie redeliver 20260131-00000042
example: hie redeliver --patient E7KQ2M9XW4TA --subscriber practice --as-new
example: hie redeliver list
example: hie redeliver --resume 12

A repair goes on by itself after a crash; --resume follows it, or goes on with one that was stopped.
"""

from __future__ import annotations

import argparse


def configure(parser: argparse.ArgumentParser) -> None:
    from hie.cli import chosen

    chosen.of_messages(parser, "delivered, denied, withheld ...")
    parser.add_argument("--as-new", action="store_true", help="under a new key that names the one it replaces")


def run(arguments: argparse.Namespace) -> int:
    from hie.chosen import counted, extent
    from hie.cli import chosen
    from hie.cli.configuration import settings_of

    settings = settings_of(arguments.config)
    if (answered := chosen.of_repairs(arguments, settings)) is not None:
        return answered
    which = chosen.selection(arguments, messages=arguments.what, outcomes=arguments.outcome)
    return chosen.order(
        arguments,
        settings,
        "redeliver",
        which,
        lambda c: (extent(c, "redeliver", which)[0], counted(c, "redeliver", which)),
        arguments.as_new,
    )
