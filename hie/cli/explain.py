"""The dry run: what would happen to a message if it came in now. Decoded facts, who it would be about and why, its labels,
and for each subscriber whether it would go, with the reason. Writes nothing but the record that somebody looked.

example: hie explain adt.hl7 --feed north --config config/demo/hie.yaml
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from hie.fhir import digits

if TYPE_CHECKING:
    from hie.settings import Settings


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE")
    parser.add_argument("--feed", required=True, metavar="NAME")
    parser.add_argument("--subscriber", metavar="NAME", help="only this one")
    parser.add_argument("--config", type=Path, metavar="FILE")
    parser.add_argument("--json", action="store_true")


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of
    from hie.errors import ConfigurationError
    from hie.explanation import explain

    settings = settings_of(arguments.config)
    try:
        raw = arguments.file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {type(error).__name__}", file=str(arguments.file)) from None
    found = explain(settings, raw, arguments.feed, arguments.subscriber)
    _note(settings, arguments.feed, raw)
    if arguments.json:
        sys.stdout.write(digits.dumps(found, orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS).decode() + "\n")
    else:
        for part in found["records"]:
            _print(part)
        if found["failure"]:
            print(f"It would be quarantined: {found['failure']}")
    return 1 if found["failure"] else 0


def _note(settings: Settings, feed: str, raw: bytes) -> None:
    """The access record, before anything is shown. Where no node ever ran there is nobody's data to look at."""
    from hie import control
    from hie.audit.events import Kind, event
    from hie.cli import direct

    seen = {"feed": feed, "sha256": hashlib.sha256(raw).hexdigest(), "command": "explain"}
    if direct.running(settings):
        control.ask(settings.var, "audit.note", {"kind": Kind.QUERY, "body": seen}, direct.actor())
    elif settings.database or (settings.var / "hie.db").is_file():
        with direct.audited(settings) as (connection, trail):
            trail.add(connection, event(Kind.QUERY, direct.actor(), seen))


def _print(part: dict[str, Any]) -> None:
    print(f"{part['event']}: " + ", ".join(f"{n} {kind}" for kind, n in part["resources"].items()))
    if part["warnings"] or part["unmapped"]:
        print(f"  {len(part['warnings'])} warnings, {len(part['unmapped'])} places unmapped")
    print(f"About: {part['identity']['sentence']}")
    for candidate in part["identity"]["candidates"]:
        print(f"  {candidate['grade']:<12} {candidate['bits']:+6.1f} bits  {candidate['words']}")
    for label in part["labels"]:
        print(f"Label: {label['code']} on {label['resource']}, because {label['cause']}")
    for verdict in part["subscribers"]:
        print(f"{verdict['subscriber']}: {verdict['sentence']}")
        for line in verdict["because"]:
            print(f"  {line}")
