"""Cases that stand beside a policy: this patient, this item, this recipient -> this answer, because.

A file `cases.yaml` in a folder names a policy (shipped or a file beside it) and its cases; consents and records are
written in place. `hie consent test DIR` runs them, and so does a site before a changed policy is in force.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from hie.codes import security
from hie.consent.compile import compile_consents
from hie.consent.decide import Grant, Request, decide
from hie.consent.directory import Directory
from hie.consent.item import Item, item
from hie.consent.jurisdiction import Policy, load
from hie.consent.period import instant
from hie.errors import ConfigurationError
from hie.model import SecurityLabel
from hie.yamlfile import read


class Case(NamedTuple):
    policy: str
    name: str
    passed: bool
    said: str
    """What was decided, and its sentence."""


def run_folder(folder: Path) -> Iterator[Case]:
    """Runs every `*cases.yaml` under a folder. Raises ConfigurationError where there is none, or one is not readable."""
    files = sorted(folder.rglob("*cases.yaml")) if folder.is_dir() else [folder]
    if not files:
        raise ConfigurationError("holds no cases.yaml", file=str(folder), code="no-cases")
    for file in files:
        yield from run_file(file)


def run_file(file: Path) -> Iterator[Case]:
    document = read(file).value
    name = str(document.get("policy", ""))
    beside = file.parent / name
    policy = load(beside if beside.suffix and beside.exists() else name)
    consents = {id: orjson.loads(body) for id, body in document.get("consents", {}).items()}
    people = [orjson.loads(body) for body in document.get("people", [])]
    for case in document.get("cases", []):
        try:
            yield _run(policy, name, consents, people, case)
        except (KeyError, TypeError, ValueError) as error:
            raise ConfigurationError(
                f"case {case.get('name')!r} cannot be read ({type(error).__name__})", file=str(file), code="case"
            ) from None


def _run(policy: Policy, name: str, consents: dict[str, Any], people: list[Any], case: dict[str, Any]) -> Case:
    directory = Directory(people, policy.timezone, complete=False)
    given = [(id, "1", consents[id]) for id in case.get("consents", [])]
    now = instant(case.get("now", "2026-07-01T12:00:00Z"), policy.timezone) or 0.0
    who = directory.expand(case.get("recipient", ["Organization/recipient"]), now)
    glass = case.get("break-glass")
    request = Request(
        recipient=who.sure,
        possible=who.possible,
        purpose=case.get("purpose", "TREAT"),
        now=now,
        recipient_state=case.get("recipient-state", "active"),
        source_state=case.get("source-state", "active"),
        role=case.get("role", ""),
        mandated=case.get("mandated", "no") == "yes",
        representative=case.get("representative", ""),
        patient_age=float(case["age"]) if "age" in case else None,
        emergency=Grant("case", now + 3600, glass) if glass else None,
    )
    candidates = [
        compile_consents([(id, "1", consents[id])], policy, directory) for id in case.get("candidate-consents", [])
    ]
    decisions = decide(policy, compile_consents(given, policy, directory), candidates, request, [_item(case, policy)])
    verdict = next(iter(decisions.verdicts.values()))
    passed = verdict.verdict == case["expect"] and case.get("rule", verdict.rule) == verdict.rule
    return Case(name, str(case["name"]), passed, f"{verdict.verdict} by {verdict.rule}: {verdict.text}")


def _item(case: dict[str, Any], policy: Policy) -> Item:
    resource = orjson.loads(case.get("record", "{}"))
    resource = {"resourceType": "Observation", "id": "item", "subject": {"reference": "Patient/patient"}, **resource}
    labels = []
    for code in case.get("labels", ["N"]):
        system = security.CONFIDENTIALITY if code in security.LEVELS else security.ACT_CODE
        labels.append(SecurityLabel(code, "case", security.LOCAL if code == "unclassified" else system))
    if not any(one.system == security.CONFIDENTIALITY for one in labels) and labels:
        labels.append(SecurityLabel("R", "case", security.CONFIDENTIALITY))
    return item(resource, labels, timezone=policy.timezone, source_types=frozenset(case.get("source-types", [])))
