"""The choices that the repairing commands share, and how a repair is counted, confirmed, ordered and followed."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from hie.settings import Settings
    from hie.store.repairs import Repair
    from hie.store.selection import Selection

PATIENCE = 120.0
"""Seconds without progress after which a command stops following; the repair itself goes on."""


def instant(text: str) -> float:
    """`2026-01-31`, `2026-01-31T08:00`, `...+01:00` (UTC where it does not say), or an age such as `2h`."""
    from hie.sections import duration

    try:
        return time.time() - float(duration(text))
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time: 2026-01-31T08:00, or an age such as 2h") from None
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def choices(parser: argparse.ArgumentParser, *, subscriber: bool = True, patient: bool = True) -> None:
    """What all repairs can be chosen by."""
    parser.add_argument("--feed", default="", metavar="NAME", help="what came by this feed")
    if subscriber:
        parser.add_argument("--subscriber", default="", metavar="NAME", help="what goes to this subscriber")
    if patient:
        parser.add_argument("--patient", default="", metavar="EID", help="what is about this person (enterprise id)")
    parser.add_argument(
        "--since", type=instant, metavar="TIME", help="received then or later: ISO time, or an age (2h)"
    )
    parser.add_argument("--until", type=instant, metavar="TIME", help="received before")
    parser.add_argument("--reason", action="append", default=[], metavar="CODE", help="ended for this reason")
    parser.add_argument("--all", action="store_true", help="everything")


def common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")


def ordering(parser: argparse.ArgumentParser) -> None:
    """How a repair goes."""
    parser.add_argument("--dry-run", action="store_true", help="count, and change nothing")
    parser.add_argument("--yes", action="store_true", help="do not ask; needed where nobody can be asked")
    parser.add_argument("--rate", type=float, default=0.0, metavar="N", help="at most so many a second")


def of_messages(parser: argparse.ArgumentParser, outcomes: str) -> None:
    """What a repair of messages or their deliveries takes beside: ids, outcomes (named in the help), a repair to follow."""
    parser.add_argument("what", nargs="*", metavar="MESSAGE_ID", help="messages by id; or the word `list`")
    choices(parser)
    parser.add_argument("--outcome", action="append", default=[], metavar="STATE", help=outcomes)
    ordering(parser)
    parser.add_argument("--resume", type=int, metavar="ID", help="go on with a repair, and follow it")
    parser.add_argument("--stop", type=int, metavar="ID", help="stop a repair where it is")
    common(parser)


def of_repairs(arguments: argparse.Namespace, settings: Settings) -> int | None:
    """What was asked about repairs that were ordered before: the exit code, or None where a new one is asked for."""
    if arguments.what == ["list"]:
        return listed(arguments, settings)
    if arguments.resume is not None:
        return resume(arguments, settings, arguments.resume)
    if arguments.stop is not None:
        return stop(arguments, settings, arguments.stop)
    return None


def selection(arguments: argparse.Namespace, **more: Any) -> Selection:
    """Raises ConfigurationError where nothing is chosen, or a name that there is not."""
    from hie.errors import ConfigurationError, HieError
    from hie.store.selection import Selection

    given = {
        "feed": arguments.feed,
        "subscriber": getattr(arguments, "subscriber", ""),
        "patient": getattr(arguments, "patient", ""),
        "since": arguments.since,
        "until": arguments.until,
        "reasons": arguments.reason,
        "everything": arguments.all,
        **more,
    }
    try:
        return Selection.of(given)
    except HieError as error:
        raise ConfigurationError(error.text, code=error.code, hint=error.hint) from None


def check(settings: Settings, chosen: Selection) -> None:
    """Raises ConfigurationError for a feed that there is not, and for ids that are none."""
    from hie.errors import ConfigurationError, NotFound
    from hie.intake.position import Position

    feeds = [feed.name for feed in settings.feeds]
    if chosen.feed and chosen.feed not in feeds:
        raise ConfigurationError(f"no feed is called {chosen.feed!r}", code="unknown-feed", hint=", ".join(feeds))
    for id in chosen.messages:
        try:
            Position.of(id)
        except NotFound as error:
            raise ConfigurationError(f"{id!r}: {error.text}", code="unknown-message", hint=error.hint) from None


Count = Callable[["Connection"], tuple[int, Mapping[str, int]]]


def order(
    arguments: argparse.Namespace, settings: Settings, kind: str, chosen: Selection, count: Count, as_new: bool = False
) -> int:
    """Counts, asks, orders, follows. Answers the exit code."""
    from hie import control
    from hie.cli.direct import actor, reading

    check(settings, chosen)
    with reading(settings) as connection:
        total, counts = count(connection)
    if arguments.dry_run or not total:
        _tell(arguments, {"kind": kind, "dry_run": True, "total": total, "counts": dict(counts)})
        return 0
    if not confirmed(arguments, kind, total, counts):
        return 2
    asked = {"kind": kind, "selection": chosen.plain(), "as_new": as_new, "rate": max(0.0, arguments.rate)}
    made = control.ask(settings.var, "repair.start", asked, actor())
    return follow(arguments, settings, made["id"])


def confirmed(arguments: argparse.Namespace, kind: str, total: int, counts: Mapping[str, int]) -> bool:
    """Whether somebody who has seen the counts says yes. Where nobody can be asked, only --yes does."""
    if arguments.yes:
        return True
    _print_counts(kind, total, counts, sys.stderr)
    if not sys.stdin.isatty():
        print("hie: nothing was done: nobody can be asked here, so it needs --yes", file=sys.stderr)
        return False
    sys.stderr.write("Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    print("Nothing was done.", file=sys.stderr)
    return False


def resume(arguments: argparse.Namespace, settings: Settings, id: int) -> int:
    from hie import control
    from hie.cli.direct import actor

    control.ask(settings.var, "repair.resume", {"id": id}, actor())
    return follow(arguments, settings, id)


def stop(arguments: argparse.Namespace, settings: Settings, id: int) -> int:
    from hie import control
    from hie.cli.direct import actor

    control.ask(settings.var, "repair.stop", {"id": id}, actor())
    print(f"Repair {id} stopped. It goes on with --resume {id}.")
    return 0


def listed(arguments: argparse.Namespace, settings: Settings) -> int:
    from hie.cli.direct import reading
    from hie.store import repairs

    with reading(settings) as connection:
        found = [
            {**run.plain(), "outcomes": repairs.outcomes(connection, run.id)} for run in repairs.listed(connection)
        ]
    if arguments.json:
        write({"repairs": found})
        return 0
    for run in found:
        at = datetime.fromtimestamp(run["created_at"], UTC).strftime("%Y-%m-%d %H:%M")
        which = " ".join(f"{name}={value}" for name, value in run["selection"].items())
        came = " ".join(f"{state}={n}" for state, n in run["outcomes"].items())
        print(
            f"{run['id']:>5}  {at}  {run['kind']:<12} {run['state']:<8} {run['done']}/{run['total']}  {which}  {came}"
        )
    return 0


def overview(
    arguments: argparse.Namespace,
    settings: Settings,
    kind: str,
    which: Selection,
    plain: Callable[[Any], dict[str, Any]],
    line: str,
    nothing: str,
) -> int:
    """Groups with their counts, and the oldest rows, each as `line` formats it."""
    from hie.chosen import counted, everything
    from hie.cli.direct import reading

    with reading(settings) as connection:
        groups = counted(connection, kind, which)
        rows = connection.execute(everything(connection, kind, which).limit(max(0, arguments.limit)))
        oldest = [plain(row) for row in rows]
    if arguments.json:
        write({"groups": groups, "oldest": oldest})
        return 0
    for name, n in groups.items():
        print(f"{n:>9,}  {name}")
    for row in oldest:
        print(line.format(**row))
    if not groups:
        print(nothing)
    return 0


def follow(arguments: argparse.Namespace, settings: Settings, id: int) -> int:
    """Until the repair is done, with its progress on a terminal."""
    from hie.cli.direct import reading
    from hie.store import repairs

    moved, last = time.monotonic(), (-1, "")
    with reading(settings) as connection:
        while True:
            run = repairs.get(connection, id)
            connection.rollback()  # the next look sees what was committed since
            if (run.done, run.state) != last:
                moved, last = time.monotonic(), (run.done, run.state)
                if sys.stderr.isatty():
                    sys.stderr.write(f"\r{run.done:,} of {run.total:,}")
                    sys.stderr.flush()
            if run.state != repairs.RUNNING:
                break
            if time.monotonic() - moved > PATIENCE:
                print(
                    f"hie: repair {id} does not move; it goes on by itself, see `hie redeliver list`", file=sys.stderr
                )
                return 1
            time.sleep(0.1)
    return _finished(arguments, run)


def _finished(arguments: argparse.Namespace, run: Repair) -> int:
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    _tell(arguments, {**run.plain(), "dry_run": False})
    return 1 if any(run.counts.get(name) for name in ("quarantined", "failed", "past retention")) else 0


def _tell(arguments: argparse.Namespace, found: dict[str, Any]) -> None:
    if arguments.json:
        write(found)
    else:
        _print_counts(found["kind"], found["total"], found["counts"], sys.stdout, found)


def _print_counts(
    kind: str, total: int, counts: Mapping[str, int], file: Any, run: Mapping[str, Any] | None = None
) -> None:
    nouns = {
        "redeliver": "deliveries",
        "deadletters": "dead letters",
        "reprocess": "messages",
        "quarantine": "messages",
    }
    if run is not None and not run["dry_run"]:
        print(f"Repair {run['id']} {run['state']}: {run['done']:,} of {total:,} {nouns[kind]}", file=file)
    else:
        print(f"{total:,} {nouns[kind]} would be taken, oldest first; nothing has been changed", file=file)
    for name, n in counts.items():
        print(f"  {n:>9,}  {name}", file=file)


def write(found: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")
