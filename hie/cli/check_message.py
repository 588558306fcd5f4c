"""Hold messages against the base standard and, with --profile, against what a site has agreed with its sender.

Nothing is stored or sent, and no value of a message is printed: each line says where to look, what is wrong there, and which
rule says so. What hie itself found odd, and what it could not place, stands below. Exit code 1: something does not conform.

example: hie check-message results.hl7
example: hie check-message --profile profiles/north-lab.yaml captured/
example: hie check-message --feed north-lab --config hie.yaml captured/ --json
example: hie check-message --found --config hie.yaml  (what the node has counted on feeds with `conformance: report`)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson

from hie.cli.decode import MAX_BYTES
from hie.conformance import Profile, Report
from hie.errors import ConfigurationError, HieError
from hie.model import FeedContext, Record


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="*", type=Path, metavar="FILE", help="files, or folders to walk")
    parser.add_argument("--profile", type=Path, metavar="FILE", help="a site's conformance profile (YAML)")
    parser.add_argument("--format", default="hl7v2", metavar="FORMAT", help="what the bytes are (default hl7v2)")
    parser.add_argument("--feed", metavar="NAME", help="read with the settings, and the profile, of this feed")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration that names the feed")
    parser.add_argument("--found", action="store_true", help="what was found on the feeds that report")
    parser.add_argument("--every", action="store_true", help="one line for each place instead of one for like ones")
    parser.add_argument("--json", action="store_true", help="one JSON line for each message")


def run(arguments: argparse.Namespace) -> int:
    from hie import profile, registry
    from hie.cli.decode import feed_context, walk

    if arguments.found:
        return _counted(arguments.config, arguments.feed, arguments.json)
    if not arguments.paths:
        raise ConfigurationError("nothing to check", code="usage", hint="name files or folders, or say --found")
    examine = registry.examiner(arguments.format)
    if examine is None:
        raise ConfigurationError(f"no adapter checks messages of {arguments.format!r}", code="unknown-format")
    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        raise ConfigurationError(f"{missing[0]}: no such file or folder", code="no-such-path")
    context = feed_context(arguments.feed, arguments.config)
    asked = arguments.profile or _profile_of(arguments.feed, arguments.config)
    wanted = profile.load(asked) if asked else None
    decode = registry.decoder(arguments.format, "decode")
    conforms = True
    for path in walk(arguments.paths):
        for one in _checked(path, examine, decode, context, wanted):
            conforms &= one["conforms"]
            if arguments.json:
                sys.stdout.write(orjson.dumps(one).decode() + "\n")
            else:
                _print(one, arguments.every)
    return 0 if conforms else 1


def _counted(config: Path | None, feed: str | None, json: bool) -> int:
    """Most frequent first, for each feed and sender."""
    from hie.cli.configuration import settings_of
    from hie.cli.direct import reading
    from hie.engine.examiner import counted

    with reading(settings_of(config)) as connection:
        found = [one for one in counted(connection) if feed in (None, one.feed)]
    if json:
        sys.stdout.writelines(orjson.dumps(one._asdict()).decode() + "\n" for one in found)
        return 0
    if not found:
        print("nothing was examined: set `conformance: report` on a feed")
    for (name, sender, examined), rows in groupby(found, key=lambda one: (one.feed, one.sender, one.examined)):
        print(f"{name}, sender {sender}: {examined} message{'s' if examined != 1 else ''} examined")
        for row in rows:
            if row.code:
                print(
                    f"  {row.messages:6}  {row.severity:<8} {row.place:<12} [{row.code}, {row.rule}]  e.g. {row.example}"
                )
    return 0


def _profile_of(feed: str | None, config: Path | None) -> Path | None:
    if feed is None or config is None:
        return None
    from hie.cli.configuration import settings_of

    return next(one.profile for one in settings_of(config).feeds if one.name == feed)


def _checked(
    path: Path, examine: Any, decode: Any, context: FeedContext, profile: Profile | None
) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as opened:
            raw = opened.read(MAX_BYTES + 1)
    except OSError as error:
        yield _refused(path, "unreadable", (error.strerror or "").lower())
        return
    if len(raw) > MAX_BYTES:
        yield _refused(path, "too-large", "the file is too large")
        return
    reports: list[Report] = []
    records: list[Record] = []
    failure: HieError | None = None
    try:
        reports.extend(examine(raw, context.charset, profile))
    except HieError as error:  # one of several; those before it were given
        failure = error
    with suppress(HieError):
        records.extend(decode(raw, context))
    # a message about several patients gives several records: with one message all of them are its own
    single = len(reports) == 1
    for at, report in enumerate(reports):
        own = records if single else records[at : at + 1]
        yield {
            "file": str(path),
            "index": report.index,
            "event": report.event,
            "version": report.version,
            "profile": profile.name if profile else None,
            "conforms": report.conforms,
            "findings": [
                {"severity": f.severity, "code": f.code, "where": f.where, "text": f.text, "rule": f.rule}
                for f in report.findings
            ],
            "warnings": [{"code": w.code, "where": w.where, "text": w.text} for one in own for w in one.warnings],
            "unmapped": [{"where": u.where, "count": u.times} for one in own for u in one.unmapped],
        }
    if failure is not None:
        yield _refused(path, failure.code, f"{failure.text} ({failure.hint})" if failure.hint else failure.text)


def _refused(path: Path, code: str, text: str) -> dict[str, Any]:
    return {"file": str(path), "conforms": False, "error": {"code": code, "text": text}}


def _print(one: dict[str, Any], every: bool) -> None:
    if "error" in one:
        print(f"{one['file']}: {one['error']['code']}: {one['error']['text']}\n")
        return
    against = f"HL7 {one['version']}" + (f" and the profile {one['profile']}" if one["profile"] else "")
    print(f"{one['file']}, message {one['index'] + 1}: {one['event']}, held against {against}")
    findings = [(f["severity"], f["where"], f["code"], f["text"], f["rule"]) for f in one["findings"]]
    for severity, where, code, text, rule, more in _lines(findings, every):
        print(f"  {severity:<8} {where:<14} {text}{more}  [{code}, {rule}]")
    counts = {kind: sum(f[0] == kind for f in findings) for kind in ("error", "warning", "note")}
    told = ", ".join(f"{n} {kind}{'s' if n > 1 else ''}" for kind, n in counts.items() if n) or "nothing found"
    print(f"  {'conforms' if one['conforms'] else 'does not conform'}: {told}")
    read = [("read", w["where"], w["code"], w["text"], "hie") for w in one["warnings"]]
    for _, where, code, text, _, more in _lines(read, every):
        print(f"  reading  {where:<14} {text}{more}  [{code}]")
    if one["unmapped"]:
        places = ", ".join(dict.fromkeys(_place(u["where"], every) for u in one["unmapped"]))
        print(f"  not in any resource: {places}")
    print()


def _lines(findings: Sequence[tuple[str, ...]], every: bool) -> Iterator[tuple[str, ...]]:
    """Each finding with how many like it there are: forty results with one habit are one line."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for severity, where, code, text, rule in findings:
        key = (severity, where if every else _place(where, False), code, text, rule)
        alike.setdefault(key, []).append(where)
    for (severity, _, code, text, rule), places in alike.items():
        more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
        yield severity, places[0], code, text, rule, more


def _place(where: str, every: bool) -> str:
    """`OBX[7]-5[2].1` -> `OBX-5.1`."""
    if every:
        return where
    return "".join(piece.partition("]")[2] if at else piece for at, piece in enumerate(where.split("[")))
