"""Decide requests against consents, and test policies.

`decide` answers requests against FHIR R4 Consents, storing nothing:
  hie consent decide --consents DIR --resources FILE.json --requests FILE.ndjson --default permit

`test` runs the cases that stand beside a policy:
  hie consent test config/consent

Exit: 0 done, 1 some input refused or some case failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from hie.errors import ConfigurationError


def configure(parser: argparse.ArgumentParser) -> None:
    kinds = parser.add_subparsers(dest="what", metavar="WHAT", required=True)
    decide = kinds.add_parser("decide", help="answer requests against FHIR Consents")
    decide.add_argument("--consents", type=Path, required=True, metavar="DIR", help="FHIR R4 Consent files (.json)")
    decide.add_argument("--resources", type=Path, required=True, metavar="FILE", help='{"resources": [...]}')
    decide.add_argument("--requests", type=Path, required=True, metavar="FILE", help="one request a line")
    decide.add_argument("--default", choices=("permit", "deny"), required=True, help="where no consent answers")
    decide.add_argument("--policy", default="us-opt-out", metavar="FILE", help="jurisdiction: a shipped name or a file")
    test = kinds.add_parser("test", help="run the cases beside a policy")
    test.add_argument("folder", type=Path, metavar="DIR")


def run(arguments: argparse.Namespace) -> int:
    if arguments.what == "test":
        from hie.consent.cases import run_folder

        failed = 0
        for case in run_folder(arguments.folder):
            failed += not case.passed
            print(
                f"{'ok  ' if case.passed else 'FAIL'} {case.policy}: {case.name}"
                + (f"  ({case.said})" if not case.passed else "")
            )
        return 1 if failed else 0
    return _decide(arguments)


def _decide(arguments: argparse.Namespace) -> int:
    from hie.consent.jurisdiction import load, with_default
    from hie.consent.tables import Cabinet

    policy = with_default(load(arguments.policy), arguments.default == "permit")
    cabinet = Cabinet.read(arguments.consents, _resources(arguments.resources), policy, _label)
    refused = 0
    for line in _bytes(arguments.requests).splitlines():
        if not line.strip():
            continue
        try:
            asked = orjson.loads(line)
        except orjson.JSONDecodeError:
            asked = None
        if not isinstance(asked, dict):
            refused += 1
            asked = {}
        sys.stdout.buffer.write(orjson.dumps(cabinet.answer(asked)) + b"\n")
    sys.stdout.buffer.flush()
    return 1 if refused else 0


def _label(resources: Any) -> Any:
    from hie.labels.label import label

    return label(resources)


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"cannot be read: {type(error).__name__}", file=str(file), code="unreadable") from None


def _resources(file: Path) -> list[dict[str, Any]]:
    try:
        found = orjson.loads(_bytes(file))
    except orjson.JSONDecodeError:
        raise ConfigurationError("is not JSON", file=str(file), code="not-json") from None
    if isinstance(found, dict) and found.get("resourceType") == "Bundle":
        found = {"resources": [e.get("resource") for e in found.get("entry", []) if isinstance(e, dict)]}
    listed = found.get("resources") if isinstance(found, dict) else found
    if not isinstance(listed, list):
        raise ConfigurationError('has no list "resources"', file=str(file), code="resources-shape")
    return [r for r in listed if isinstance(r, dict) and isinstance(r.get("resourceType"), str)]
