"""One line of `hie decode` held against its input."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tests.fidelity import ccda_facts, document, hl7v2_facts, message, noise, soundness
from tests.fidelity.fact import Fact, Verdict
from tests.fidelity.places import Output
from tests.fidelity.said import Spoken
from tests.fidelity.traces import Met, silent_attributes, silent_components

Line = dict[str, Any]


def check_message(one: message.Message, line: Line, validate: bool = True) -> Verdict:
    """An HL7 v2 message and what became of it."""
    text = "\n".join(one.field.join(each.fields) for each in one.segments)
    populated = sum(_leaves(one, each) for each in one.segments)
    sent = one.unescape(text) + " " + text
    verdict = _verdict(line, one.kind, hl7v2_facts.facts(one), sent, populated, validate)
    verdict.silent = list(silent_components(one, Met(line["resources"]), Spoken(line)))
    return verdict


def check_document(root: document.Element, line: Line, validate: bool = True) -> Verdict:
    """A C-CDA document and what became of it."""
    pieces = [document.words(root)]
    populated = 0
    for each in root.iter():
        pieces.extend(str(value) for value in each.attrib.values())
        populated += len([x for x in each.attrib if x in ("value", "code", "extension", "root")]) + bool(
            (each.text or "").strip()
        )
        pieces.append((each.text or "") + " " + (each.tail or ""))
    code = document.child(root, "code")
    kind = f"C-CDA {code.get('code', '')}" if code is not None else "C-CDA"
    verdict = _verdict(line, kind, ccda_facts.facts(root), " ".join(pieces), populated, validate)
    verdict.silent = list(silent_attributes(root, Met(line["resources"]), Spoken(line)))
    return verdict


def _verdict(line: Line, kind: str, facts: Iterable[Fact], sent: str, populated: int, validate: bool) -> Verdict:
    verdict = Verdict(Path(line["file"]).name, line["index"], kind, populated=populated)
    output, spoken = Output(line["resources"]), Spoken(line)
    for fact in facts:
        if output.finds(fact):
            verdict.kept.append(fact)
            continue
        verdict.lost.append(fact)
        if not spoken.of(fact.where):
            verdict.unsaid.append(fact)
    resources = line["resources"]
    verdict.resources = len(resources)
    verdict.unmapped = sum(each["count"] for each in line["unmapped"])
    verdict.empty = sum(soundness.empty(each) for each in resources)
    verdict.dangling = list(soundness.dangling(resources))
    verdict.twice = list(noise.twice(resources))
    verdict.orphans = list(noise.orphans(resources))
    verdict.invented = list(soundness.invented(resources, soundness.Input(sent)))
    if validate:
        verdict.invalid = [why for why in map(soundness.invalid, resources) if why]
    return verdict


def _leaves(one: message.Message, segment: message.Segment) -> int:
    """Populated components of a segment; the delimiters and the set id say nothing."""
    start = 3 if segment.name == "MSH" else 1
    marks = "[" + re.escape(one.component + one.repetition + one.subcomponent) + "]"
    return sum(bool(part.strip()) for field in segment.fields[start:] for part in re.split(marks, field))


def merged(lines: list[Line]) -> Line:
    """Several records of one message (several patients) as one line."""
    whole = dict(lines[0])
    for each in lines[1:]:
        for key in ("resources", "warnings", "unmapped"):
            whole[key] = whole[key] + each[key]
    return whole
