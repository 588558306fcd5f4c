"""One bad entry costs that entry: whatever is damaged in it, every other entry comes out as it did."""

from __future__ import annotations

import copy
import random
import re
from collections import defaultdict
from typing import Any
from xml.etree import ElementTree

import pytest

from hie.fhir.digits import dumps
from hie.model import Record
from tests.adapters.ccda.document import document, entry, read, references, section

V3, XSI = "urn:hl7-org:v3", "http://www.w3.org/2001/XMLSchema-instance"
SCT, LOINC = 'codeSystem="2.16.840.1.113883.6.96"', 'codeSystem="2.16.840.1.113883.6.1"'
ENTRY = re.compile(r".*/entry(?:\[\d+\])?(?=/|$)")


def result(number: int) -> str:
    return (
        f'<organizer classCode="BATTERY" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.1"/>'
        f'<id root="1.2.3.{number}"/><code code="58410-2" {LOINC}/><statusCode code="completed"/>'
        f'<component><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.2"/>'
        f'<id root="1.2.4" extension="{number}"/><code code="718-7" {LOINC} displayName="Hemoglobin"/><text><reference value="#row"/></text>'
        f'<statusCode code="completed"/><effectiveTime value="202403010815-0600"/><value xsi:type="PQ" value="1{number}.5" unit="g/dL"/>'
        f'<interpretationCode code="N" codeSystem="2.16.840.1.113883.5.83"/><referenceRange><observationRange><value xsi:type="IVL_PQ">'
        f'<low value="12" unit="g/dL"/><high value="16" unit="g/dL"/></value></observationRange></referenceRange></observation></component></organizer>'
    )


def visit(number: int) -> str:
    return (
        f'<encounter classCode="ENC" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.49"/><id root="1.2.5" extension="{number}"/>'
        f'<code code="99213" codeSystem="2.16.840.1.113883.6.12"/><effectiveTime><low value="2024020{number}"/></effectiveTime>'
        f'<participant typeCode="LOC"><participantRole classCode="SDLOC"><id root="1.2.6" extension="{number}"/>'
        f"<playingEntity><name>Room {number}</name></playingEntity></participantRole></participant></encounter>"
    )


def problem(number: int) -> str:
    return (
        f'<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.3"/><id root="1.2.7" extension="{number}"/>'
        f'<code code="CONC" codeSystem="2.16.840.1.113883.5.6"/><statusCode code="active"/><effectiveTime><low value="20200101"/></effectiveTime>'
        f'<entryRelationship typeCode="SUBJ"><observation classCode="OBS" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.4"/>'
        f'<id root="1.2.8" extension="{number}"/><code code="55607006" {SCT}/><statusCode code="completed"/>'
        f'<effectiveTime><low value="201{number}"/></effectiveTime><value xsi:type="CD" code="3834100{number}" {SCT}/></observation></entryRelationship></act>'
    )


def drug(number: int) -> str:
    return (
        f'<substanceAdministration classCode="SBADM" moodCode="INT"><templateId root="2.16.840.1.113883.10.20.22.4.16"/><id root="1.2.9" extension="{number}"/>'
        f'<statusCode code="active"/><effectiveTime xsi:type="IVL_TS"><low value="20240101"/></effectiveTime>'
        f'<effectiveTime xsi:type="PIVL_TS" operator="A" institutionSpecified="true"><period value="{number + 3}" unit="h"/></effectiveTime>'
        f'<doseQuantity value="{number}"/><consumable><manufacturedProduct classCode="MANU"><manufacturedMaterial>'
        f'<code code="31396{number}" codeSystem="2.16.840.1.113883.6.88"/></manufacturedMaterial></manufacturedProduct></consumable></substanceAdministration>'
    )


def note(number: int) -> str:
    return (
        f'<act classCode="ACT" moodCode="EVN"><templateId root="2.16.840.1.113883.10.20.22.4.202"/><id root="1.2.10" extension="{number}"/>'
        f'<code code="34109-9" {LOINC}/><text>Note {number}</text><statusCode code="completed"/><effectiveTime value="2024030{number}"/></act>'
    )


KINDS = {"30954-2": result, "46240-8": visit, "11450-4": problem, "10160-0": drug, "34109-9": note}
GOOD = document(
    *(
        section(code, "".join(entry(make(n)) for n in (1, 2, 3)), '<table><tr ID="row"><td>a row</td></tr></table>')
        for code, make in KINDS.items()
    )
)
JUNK = ["", " ", "-1", "1e999", "20241399", "INT", "EVN", "nullFlavor", "2.16.840.1.113883.10.20.22.4.7", "\u00e9" * 300, "#", "true"]  # fmt: skip


def by_entry(record: Record) -> dict[str, list[bytes]]:
    """Entry path -> the resources that came out of it, as bytes."""
    resources = {f"{each['resourceType']}/{each['id']}": each for each in record.resources}
    found: dict[str, list[bytes]] = defaultdict(list)
    for reference, where in record.sources:
        if at := ENTRY.match(where):
            found[at[0]].append(dumps(resources[reference]))
    return found


def damage(element: ElementTree.Element, chance: random.Random) -> None:
    """One odd thing done somewhere below an entry."""
    inside = list(element.iter())[1:]
    holders = [each for each in inside if len(each)]
    node = chance.choice(inside)
    kind = chance.randrange(9)
    if kind == 0 and holders:
        holder = chance.choice(holders)
        holder.remove(chance.choice(list(holder)))
    elif kind == 1 and node.attrib:
        node.set(chance.choice(list(node.attrib)), chance.choice(JUNK))
    elif kind == 2 and node.attrib:
        del node.attrib[chance.choice(list(node.attrib))]
    elif kind == 3:
        node.set(f"{{{XSI}}}type", chance.choice(["PQ", "CD", "IVL_TS", "PIVL_TS", "RTO", "GLIST_PQ", "nonsense", ""]))
    elif kind == 4:
        node.tag = f"{{{V3}}}{chance.choice(['observation', 'act', 'value', 'code', 'entry', 'section', 'x', 'participantRole'])}"
    elif kind == 5:
        holder = chance.choice(holders or inside)
        holder.append(copy.deepcopy(node))
    elif kind == 6:
        node.set("nullFlavor", chance.choice(["NI", "OTH", "MSK", "nonsense"]))
    elif kind == 7:
        node.text = chance.choice(JUNK)
    else:
        deep = node
        for _ in range(chance.choice([1, 120])):
            deep = ElementTree.SubElement(deep, f"{{{V3}}}entryRelationship")
            deep = ElementTree.SubElement(deep, f"{{{V3}}}observation")


@pytest.mark.parametrize("seed", range(12))
def test_a_damaged_entry_leaves_the_others_as_they_were(seed: int) -> None:
    whole = by_entry(read(GOOD))
    assert len(whole) == 3 * len(KINDS)
    chance = random.Random(seed)
    for _ in range(25):
        tree = ElementTree.fromstring(GOOD)
        entries = tree.findall(f".//{{{V3}}}section/{{{V3}}}entry")
        at = chance.randrange(len(entries))
        for _ in range(chance.randint(1, 5)):
            damage(entries[at], chance)
        record = read(ElementTree.tostring(tree, encoding="utf-8"))
        now = by_entry(record)
        for path in [path for number, path in enumerate(whole) if number != at]:
            assert now[path] == whole[path], (seed, at, path)
        sound(record)


def sound(record: Record) -> None:
    have = {f"{each['resourceType']}/{each['id']}" for each in record.resources}
    pointed: set[Any] = {each for resource in record.resources for each in references(resource)}
    assert pointed <= have
    assert len(have) == len(record.resources)
