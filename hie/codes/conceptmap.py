"""FHIR R4 ConceptMap: read as rows, and written as what is left to fill in.

What may be said of a patient: the target of `equal` and `equivalent` means the same, that of `wider` and `subsumes` more
generally the same, which is true of the patient too. The target of `narrower`, `specializes`, `inexact`, `relatedto` and
`disjoint` says what the sender did not say: such a target is not taken, and named. `unmatched` is a decision that there is
none. Source: FHIR R4 ConceptMap, value set concept-map-equivalence ("the target mapping is wider in meaning ...").
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from hie.codes.rows import NO_SYSTEM, Row, Sheet, keys_of, target_system
from hie.errors import ConfigurationError
from hie.spelling import meant

TAKEN = ("equivalent", "equal", "wider", "subsumes")
REFUSED = ("narrower", "specializes", "inexact", "relatedto", "disjoint")
NO_MATCH = "unmatched"


class _Reader:
    def __init__(self, text: str, file: Path) -> None:
        self.text = text
        self.file = str(file)
        self.at = 0
        self.rows: list[Row] = []
        self.errors: list[ConfigurationError] = []
        self.empty: list[int] = []
        self.refused: list[int] = []

    def line(self, value: Any = None) -> int:
        """Of `value` behind the last one looked for: the codes stand in the order in which they are read."""
        if value is not None:
            found = self.text.find(json.dumps(value, ensure_ascii=False), self.at)
            self.at = self.at if found < 0 else found + 1
        return self.text.count("\n", 0, self.at) + 1

    def wrong(self, text: str, code: str = "bad-concept-map", hint: str = "", line: int = 0) -> None:
        line = line or self.line()
        self.errors.append(ConfigurationError(text, file=self.file, line=line, code=code, hint=hint))

    def group(self, group: Any) -> None:
        group = group if isinstance(group, dict) else {}
        source = group.get("source", NO_SYSTEM)
        line = self.line(group.get("source"))
        target: str | None = None
        try:
            keys_of(str(source), {})
        except ValueError as error:
            self.wrong(f"group.source {source!r} {error}", "unknown-table", line=line)
            return
        if named := group.get("target"):
            try:
                target = target_system(str(named))
            except ConfigurationError as error:
                self.wrong(f"group.target {named!r} {error.text}", error.code, error.hint, line)
                return
        elements = _list(group.get("element"))
        if not elements:
            self.wrong("the group has no element", line=line)
        for element in elements:
            self.element(str(source), target, element if isinstance(element, dict) else {})

    def element(self, source: str, system: str | None, element: dict[str, Any]) -> None:
        code = element.get("code")
        line = self.line(code)
        if not isinstance(code, str) or not code.strip():
            self.wrong("an element has no code", line=line)
            return
        targets = [each for each in _list(element.get("target")) if isinstance(each, dict)]
        hows = {each.get("equivalence") for each in targets}
        for how in sorted(hows.difference(TAKEN, REFUSED, (NO_MATCH,)), key=str):
            known = (*TAKEN, *REFUSED, NO_MATCH)
            self.wrong(f"{how!r} is no equivalence", "unknown-equivalence", meant(str(how), known), line)
        taken = {each.get("code"): each.get("display") or "" for each in targets if each.get("equivalence") in TAKEN}
        if len(taken) > 1:
            self.wrong(f"{code!r} has two targets", "code-twice", "one of them is what the sender means", line)
            return
        for target, display in taken.items():
            if not isinstance(target, str):
                self.wrong(f"{code!r}: the target has no code", line=line, hint=f"{NO_MATCH}, where there is none")
            elif system is None:
                self.wrong(f"{code!r}: the group does not say whose code the target is", line=line, hint="group.target")
            else:
                self.rows.append(Row(self.file, line, source, code, (system, target, str(display))))
        if not targets:
            self.empty.append(line)
        elif not taken and not hows.isdisjoint(REFUSED):
            self.refused.append(line)
        elif NO_MATCH in hows and not taken:
            self.rows.append(Row(self.file, line, source, code, None))


def parse(text: str, file: Path) -> Sheet:
    """Never raises."""
    reader = _Reader(text, file)
    try:
        read = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        return Sheet(errors=(ConfigurationError("is not JSON", file=str(file), line=line, code="bad-concept-map"),))
    if not isinstance(read, dict) or read.get("resourceType") != "ConceptMap":
        kind = read.get("resourceType") if isinstance(read, dict) else None
        said = f"is a {kind}, not a ConceptMap" if kind else "is no FHIR ConceptMap"
        return Sheet(errors=(ConfigurationError(said, file=str(file), line=1, code="bad-concept-map"),))
    if read.get("status") == "retired":
        reader.wrong("the map is retired", "concept-map-retired", "take it out, or name the one that replaced it", 1)
        return Sheet(errors=tuple(reader.errors))
    groups = _list(read.get("group"))
    if not groups:
        reader.wrong("has no group", line=1)
    for group in groups:
        reader.group(group)
    return Sheet(tuple(reader.rows), tuple(reader.errors), tuple(_warnings(reader)))


def _warnings(reader: _Reader) -> Iterator[ConfigurationError]:
    for lines, code, said, hint in (
        (reader.empty, "code-not-filled-in", "no target yet", ""),
        (
            reader.refused,
            "target-not-taken",
            "a target that says more or less than the sender",
            "the code stays as sent",
        ),
    ):
        if lines:
            text = f"{len(lines)} {'code has' if len(lines) == 1 else 'codes have'} {said}"
            yield ConfigurationError(text, file=reader.file, line=lines[0], code=code, hint=hint)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def unfilled(sender: str, codes: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """A ConceptMap whose elements wait for their targets: (system, code) of the work list, one group a system."""
    groups: dict[str, list[str]] = {}
    for system, code in codes:
        groups.setdefault(system, []).append(code)
    return {
        "resourceType": "ConceptMap",
        "status": "draft",
        "title": f"Local codes of {sender}",
        "group": [
            {
                **({} if system == NO_SYSTEM else {"source": system}),
                "element": [{"code": code} for code in sorted(each)],
            }
            for system, each in sorted(groups.items())
        ],
    }
