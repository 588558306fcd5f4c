"""What a message says, printed so that nothing in it can act on a terminal: with a stated reason, noted before."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hie.settings import Settings

SHOWN = 400_000
"""Bytes that are printed at most."""


def looking(parser: argparse.ArgumentParser) -> None:
    from hie.content_reasons import REASONS

    parser.add_argument("--content", action="store_true", help="what it says, control characters as signs")
    parser.add_argument(
        "--because",
        choices=sorted(REASONS),
        metavar="CODE",
        help=f"why: {', '.join(sorted(REASONS))}; stays in the log",
    )


def show(arguments: argparse.Namespace, settings: Settings, message_id: str) -> list[str] | None:
    """Lines of the content, None where it was not asked for. Raises ConfigurationError where no reason is given."""
    from hie.audit.events import Kind
    from hie.cli.direct import noted
    from hie.errors import ConfigurationError
    from hie.intake.journals import open_reader
    from hie.raw import lines

    if not arguments.content:
        return None
    if not arguments.because:
        raise ConfigurationError("content needs --because, which stays in the log", code="no-reason")
    with open_reader(settings.database_url, settings.var / "journal") as journal:
        envelope = journal.get(message_id).envelope
    # first the note: what was looked at leaves a trace even where the printing fails
    noted(settings, Kind.QUERY, {"view": "message-content", "message": message_id, "reason": arguments.because})
    shown = [f"{line.place:<8} {line.text}".rstrip() for line in lines(envelope.format, envelope.raw[:SHOWN])]
    if len(envelope.raw) > SHOWN:
        shown.append(f"... {len(envelope.raw) - SHOWN:,} bytes more")
    return shown
