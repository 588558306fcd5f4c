"""What was sent and is met nowhere: every populated component or attribute, whatever the checklist knows of it.

The checklist asks whether a fact stands at the place of its meaning; this asks the weaker question of everything else: is the value anywhere in the
output, or is its place spoken of. A code that FHIR writes with a word of its own is not sought; so the figure has no goal, it points to places to look at.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from typing import Any

from tests.fidelity.ccda_sections import ALLERGY_TYPES, SEVERITIES
from tests.fidelity.compare import plain
from tests.fidelity.document import Element, address, tag
from tests.fidelity.message import Message, Segment
from tests.fidelity.said import Spoken

Resource = dict[str, Any]

# fields that steer the exchange, number a segment, or become a word of FHIR
STEERING = {
    "MSH-2", "MSH-9", "MSH-11", "MSH-12", "MSH-15", "MSH-16", "MSH-18", "MSA-1", "OBX-2", "OBX-11", "OBR-25", "ORC-1", "ORC-5", "PID-8", "PID-16", "PID-24",
    "PID-30", "PV1-2", "AL1-2", "AL1-4", "IAM-2", "IAM-4", "IAM-6", "IAM-9", "IAM-17", "DG1-2", "DG1-6", "PR1-2", "RXA-6", "RXA-9", "RXA-20", "RXA-21", "TXA-3",
    "TXA-17", "TXA-19", "SCH-10", "SCH-25", "TQ1-4", "TQ1-9", "RF1-1", "PRB-1", "PRB-13", "PRB-14", "GOL-1", "FT1-6", "IN1-43", "GT1-9", "NK1-15", "RGS-2",
    "AIS-2", "AIG-2", "AIL-2", "AIP-2", "AIS-8", "AIG-12", "AIL-10", "AIP-10", "EVN-1", "ROL-2", "NTE-2",
}  # fmt: skip
# segments whose first field counts them
COUNTED = {
    "PID", "NK1", "PV1", "AL1", "IAM", "DG1", "PR1", "GT1", "IN1", "OBR", "OBX", "NTE", "SPM", "TQ1", "TXA", "FT1", "RGS", "AIS", "AIG", "AIL", "AIP", "RXA", "ROL",
}  # fmt: skip
# names and numbers of tables and registers that have a URI, and the kinds of names, numbers and addresses
KIND = re.compile(
    r"(HL7|99)\w+|ISO(639)?(-2)?|UUID|DNS|UCUM|LN|SCT|I9C?|I10C?|CVX|NDC|MVX|L|RXNORM|C[45]|CPT4?|CDCREC|NIP00\d|PRN|WPN|ORN|NET|PH|CP|FX|BP|D|N"
    r"|2\.16\.840\.1\.113883\.(4\.[16]|5|6|12)(\.\d+)*|1\.0\.3166\.1"
)
# codes of C-CDA that say what a statement is, and status and sex, which FHIR words anew
STRUCTURE = {
    "ASSERTION", "SEV", "CONC", "33999-4", "55607006", "64572001", "282291009", "404684003", "75326-9", "75323-6", "29308-4", "48767-8", "82606-5", "76662-6",
    "409586006", "418799008", "225773000", "46680005", "445518008", "397659008", "409073007", "311401005", "IMMUNIZ", "PINSTRUCT", "30973-2", "412307009",
    "55561003", "73425007", "413322009", "246455001", "263855007", "277022003", "CRITH", "CRITL", "CRITU", *ALLERGY_TYPES, *SEVERITIES,
}  # fmt: skip
UNSOUGHT = {
    "templateId",
    "typeId",
    "realmCode",
    "statusCode",
    "administrativeGenderCode",
    "signatureCode",
    "languageCode",
    "modeCode",
}


class Met:
    """The values of an output, in the forms in which an input value may be recognised."""

    def __init__(self, resources: Iterable[Resource]) -> None:
        self.values: set[str] = set()
        self.numbers: set[float] = set()
        for each in resources:
            for value in _values(each):
                self.values.add(plain(str(value)))
                if re.fullmatch(r"[+-]?\d*\.?\d+(E[+-]?\d+)?", str(value), re.I):
                    self.numbers.add(float(value))
        self.whole = "\n".join(sorted(self.values))
        self.squashed = re.sub(r"\W", "", self.whole)

    def has(self, value: str) -> bool:
        text = plain(html.unescape(value))
        if text in self.values or text in self.whole:
            return True
        if re.fullmatch(r"[+-]?\d*\.?\d+(e[+-]?\d+)?", text) and float(text) in self.numbers:
            return True
        if re.fullmatch(r"\d{6,14}(\.\d+)?([+-]\d{4})?", text):  # a time may have been kept as a date
            return text[:8] in self.squashed
        squashed = re.sub(r"\W", "", text)
        return len(squashed) > 3 and squashed in self.squashed


def _values(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("div", "url", "reference"):
                yield from _values(inner)
    elif isinstance(value, list):
        for each in value:
            yield from _values(each)
    else:
        yield value


def silent_components(message: Message, met: Met, spoken: Spoken) -> Iterator[str]:
    """Places of a message whose value is neither met nor spoken of."""
    for segment in message.segments:
        for number in range(3 if segment.name == "MSH" else 1, len(segment.fields)):
            if f"{segment.name}-{number}" in STEERING or (number == 1 and segment.name in COUNTED):
                continue
            if segment.name == "OBX" and number == 3 and message.kind[:3] in ("VXU", "RSP"):
                continue  # becomes the element that answers it
            for where, value in _leaves(message, segment, number):
                system = where.endswith((".3", ".6")) and " " not in value and not value[0].isdigit()
                known = len(value) < 3 or system or KIND.fullmatch(value) or met.has(message.unescape(value))
                if not known and not spoken.of(where):
                    yield where


def _leaves(message: Message, segment: Segment, number: int) -> Iterator[tuple[str, str]]:
    raw = segment.field(number)
    if segment.name == "OBX" and number == 5 and segment.field(2) in ("ED", "RP"):
        return  # contents, which the checklist compares as contents
    for repetition, text in enumerate(raw.split(message.repetition), 1):
        for component, part in enumerate(text.split(message.component), 1):
            for value in part.split(message.subcomponent):
                if value.strip():
                    yield f"{segment.name}[{segment.index}]-{number}[{repetition}].{component}", value.strip()


def silent_attributes(root: Element, met: Met, spoken: Spoken) -> Iterator[str]:
    """Places of a document whose value is neither met nor spoken of; narrative is the checklist's matter."""
    for element in root.iter():
        name = tag(element)
        if name in ("", *UNSOUGHT) or any(
            tag(x) == "text" and tag(x.getparent()) == "section"
            for x in [element, *element.iterancestors()]
            if x.getparent() is not None
        ):
            continue
        for key in ("code", "value", "unit", "extension"):
            value = (element.get(key) or "").strip()
            if (
                len(value) < 3
                or element.get("nullFlavor")
                or (key == "code" and value in STRUCTURE)
                or name == "reference"
            ):
                continue
            bare = re.sub(r"^(tel|mailto|fax|https?):", "", value, flags=re.I) if key == "value" else value
            where = address(element)
            if not met.has(bare) and not spoken.of(where) and not spoken.of(f"{where}/@{key}"):
                yield f"{where}/@{key}"
