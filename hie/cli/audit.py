"""The audit chain and the accounting of disclosures.

  verify               looks for a changed, inserted or removed record, a cut tail, a rewrite, a forged seal
  accounting PATIENT   who received a patient's records, in plain sentences; PATIENT is an enterprise id
  key                  prints the public key with which seals are checked elsewhere

example: hie audit verify --config config/demo/hie.yaml
example: hie audit accounting 4YJ2-M8QK --view six-years
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser("verify", help="is the log what was written? exit 0 intact, 1 not")
    verify.add_argument("--seals", type=Path, metavar="FILE", help="a copy of the seal file, kept elsewhere")
    verify.add_argument("--public-key", metavar="HEX", help="the sealing key's public half, kept elsewhere")
    accounting = actions.add_parser("accounting", help="who received a patient's records")
    accounting.add_argument("patient", metavar="PATIENT", help="enterprise id")
    accounting.add_argument(
        "--view",
        choices=("everything", "six-years", "part-2"),
        default="everything",
        help="six-years: 45 CFR 164.528; part-2: 42 CFR 2.24",
    )
    accounting.add_argument("--language", choices=("en", "es"), default="en")
    key = actions.add_parser("key", help="print the public key of the seals")
    for action in (verify, accounting, key):
        action.add_argument("--config", type=Path, metavar="FILE")
        action.add_argument("--json", action="store_true", help="one JSON object on stdout")


def run(arguments: argparse.Namespace) -> int:
    from hie.cli.configuration import settings_of

    settings = settings_of(arguments.config)
    return {"verify": _verify, "accounting": _accounting, "key": _key}[arguments.action](arguments, settings)


def _verify(arguments: argparse.Namespace, settings: Any) -> int:
    from hie.audit.key import SealKey, key_path, last_seal
    from hie.audit.seal import seals_path
    from hie.audit.verify import verify
    from hie.cli.direct import reading

    file = key_path(settings.var)
    # what the key's directory remembers is about the node's own seal file, not about an older copy
    last = last_seal(file) if arguments.seals is None and file.exists() else None
    public = arguments.public_key or SealKey.open(file).public
    with reading(settings) as connection:
        report = verify(connection, arguments.seals or seals_path(settings.var), public.lower(), last)
    if arguments.json:
        _write(asdict(report) | {"intact": report.finding is None})
    else:
        _tell(report)
    return 0 if report.finding is None else 1


def _tell(report: Any) -> None:
    from hie.fhir.dates import instant

    if report.finding is not None:
        print(f"NOT INTACT: {report.finding.text}")
    else:
        records = sum(report.records.values())
        print(f"Intact: {records} records in {len(report.records)} chains, {report.seals} seals.")
        if report.unsealed:
            since = f"since the seal of {instant(report.sealed_at)}" if report.sealed_at else "and no seal yet"
            print(f"{report.unsealed} records {since}: linked, but not signed yet.")
    for note in report.notes:
        print(note)


def _accounting(arguments: argparse.Namespace, settings: Any) -> int:
    import time
    from zoneinfo import ZoneInfo

    from hie import control, identify
    from hie.audit.accounting import View, account, other_eids
    from hie.cli.direct import reading
    from hie.consent.jurisdiction import load
    from hie.errors import NotFound

    with reading(settings) as connection:
        eid = identify.resolve(connection, arguments.patient)
        records = identify.members_of(connection, eid)
        if not records:
            raise NotFound("no person has this enterprise id")
        past = {e for e in other_eids(connection, records) if identify.resolve(connection, e) == eid}
        # first the note that the log was read, then the log: who cannot be recorded, does not read
        _note(settings, {"eid": eid, "view": arguments.view}, control)
        found = account(
            connection,
            past | {eid},
            records,
            parties(settings),
            view=View(arguments.view),
            language=arguments.language,
            zone=ZoneInfo(load(settings.policy).timezone),
            now=time.time(),
        )
    if arguments.json:
        _write({"patient": eid, **asdict(found)})
    else:
        for sentence in found.sentences:
            print(sentence)
    return 0


def parties(settings: Any) -> dict[str, Any]:
    """Participants as an accounting tells of them."""
    from hie.audit.accounting import Party
    from hie.participants import Directory

    types = Directory(settings.participants).types
    return {p.name: Party(p.title, "part2-programme" in types[p.name]) for p in settings.participants}


def _note(settings: Any, body: dict[str, str], control: Any) -> None:
    from hie.audit.chain import Chain
    from hie.audit.events import Kind, event
    from hie.cli.direct import actor, running, transaction

    if running(settings):
        control.ask(settings.var, "audit.note", {"kind": Kind.LOG_READ.value, "body": body}, actor())
        return
    with transaction(settings) as connection:
        Chain(settings.name).append(connection, [event(Kind.LOG_READ, actor(), body)])


def _key(arguments: argparse.Namespace, settings: Any) -> int:
    from hie.audit.key import SealKey, key_path

    public = SealKey.open(key_path(settings.var)).public
    if arguments.json:
        _write({"public_key": public})
    else:
        print(public)
    return 0


def _write(found: dict[str, Any]) -> None:
    sys.stdout.write(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode() + "\n")
