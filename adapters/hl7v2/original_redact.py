"""Which segments of a stored message go when a subscriber may not have all of it.

The rules, each on the side of too little (groups: HL7 v2.5.1 chapters 4, 4A, 7 and 9):

1. A removed segment goes, with the lines and notes that hang on it.
2. A removed main segment (OBR, RXA, RXE, TXA ...) takes its group along: results must not fall to the order before.
3. A group that lost a removed result and has no result left goes whole, its ORC and OBR included.
4. Free text cannot be segmented: notes, text and document results and Z segments of the message go, unless released.
5. What no resource was made from was never labelled: such a segment goes, unless it is part of the frame.
6. In what stays, free-text fields are emptied, and so are fields that repeat a code or a name of a removed segment.
"""

from __future__ import annotations

import re

from adapters.hl7v2.original_names import Names
from adapters.hl7v2.original_segments import Message, Segment, blank_field
from adapters.hl7v2.reader import read as read_lazily
from hie.errors import PermanentRefusal

MAINS = frozenset({"OBR", "RXA", "RXO", "RXE", "RXD", "RXG", "TXA"})
FRAME = frozenset(
    {"MSH", "SFT", "UAC", "EVN", "PID", "PD1", "MRG", "PV1", "ORC", "OBR", "TQ1", "TQ2", "SPM", "RXR", "DSC"}
)
"""Segments that carry the patient, the visit and the orders: they stay without a resource of their own."""
CODED = frozenset({"DG1", "AL1", "IAM", "PR1", "PRB", "RXA", "RXE", "RXO", "RXD", "RXC", "RXG"})
"""Segments that are one clinical statement each: consent decided on every single one of them."""
FREE_TEXT_FIELDS = {"OBR": (13, 39), "SPM": (14,)}
TEXT_TYPES = frozenset({b"TX", b"FT", b"ED", b"RP", b""})
_STEPS = {"RXO": 0, "RXE": 1, "RXD": 2, "RXG": 3, "RXA": 3}
_TAKES = {"PV1": {"PV2"}, "IN1": {"IN2", "IN3"}, "PR1": {"ROL"}}
_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\[(\d+)\])?(?:-(\d+).*)?\Z")
_STANDS_ALONE = (b"ADT", b"BAR", b"DFT", b"SIU", b"REF", b"PPR", b"ACK")
_SENTENCE = 24


def kept(
    message: Message, raw: bytes, removed: frozenset[str], released: frozenset[str], known: frozenset[str]
) -> list[Segment]:
    """The segments that may leave, in order. `known` are the places of the resources that the subscriber may have.

    Raises PermanentRefusal: `original-unsure` (the decoder cut the bytes into other segments), `original-place` (a
    withheld place is not in the bytes), `original-subject-withheld`, `original-nothing-left`.
    """
    if [s.where for m in read_lazily(raw) for s in m.segments] != [s.place for s in message.segments]:
        raise PermanentRefusal(
            "the segments cannot be told apart with certainty, so none can be taken out", code="original-unsure"
        )
    whole, fields = _places(message, removed)
    groups = _groups(message.segments)
    going = set(whole)
    for index, segment in enumerate(message.segments):
        if segment.place not in released and (_narrative(message, segment) or _unlabelled(segment, known)):
            going.add(index)
    _take_along(message.segments, groups, whole, going)
    names = Names.of(message, [message.segments[i] for i in whole])
    stay: list[Segment] = []
    for index, segment in enumerate(message.segments):
        if index in going:
            continue
        body = segment.body
        for number in (*fields.get(index, ()), *FREE_TEXT_FIELDS.get(segment.name, ())):
            body = blank_field(message, body, number)
        if segment.name == "OBX" and names.in_field(message, body, 5):
            continue
        if segment.name not in CODED | {"OBX"}:
            body = names.blanked(message, segment.name, body)
        stay.append(Segment(segment.name, segment.ordinal, body, segment.end))
    _check_sense(message, stay)
    return stay


def _places(message: Message, removed: frozenset[str]) -> tuple[set[int], dict[int, list[int]]]:
    at = {segment.place: index for index, segment in enumerate(message.segments)}
    whole: set[int] = set()
    fields: dict[int, list[int]] = {}
    for place in removed - {"MSH", "EVN"}:  # they name the sender and the event: a message cannot be without them
        match = _PLACE.match(place)
        name = match.group(1) if match else ""
        index = at.get(name if name == "MSH" else f"{name}[{match.group(2) or 1}]") if match else None
        if match is None or index is None:
            raise PermanentRefusal(
                "a withheld place is not in the stored bytes, so it cannot be taken out", code="original-place"
            )
        if match.group(3) and name not in CODED | {"OBX", "NTE"}:
            fields.setdefault(index, []).append(int(match.group(3)))
        elif name == "PID":
            raise PermanentRefusal("the patient of the message is withheld", code="original-subject-withheld")
        else:
            whole.add(index)
    return whole, fields


def _groups(segments: tuple[Segment, ...]) -> list[int]:
    """For each segment the number of its order group; 0 = none."""
    numbers: list[int] = []
    current, last, mains = 0, 0, set[str]()
    for segment in segments:
        name = segment.name
        if name in ("MSH", "PID"):
            current = 0
        elif name == "ORC" or (name in MAINS and (not current or _opens(name, mains))):
            last += 1
            current, mains = last, set()
        if name in MAINS:
            mains.add(name)
        numbers.append(current)
    return numbers


def _opens(name: str, mains: set[str]) -> bool:
    """True where a main segment begins a group of its own: RXO, RXE and RXD of one order stay together."""
    step = _STEPS.get(name)
    return bool(mains) if step is None else any(_STEPS.get(m, 9) >= step for m in mains)


def _take_along(segments: tuple[Segment, ...], groups: list[int], whole: set[int], going: set[int]) -> None:
    lost = {groups[i] for i in whole if segments[i].name in MAINS} - {0}
    for number in {groups[i] for i in whole} - {0}:
        members = [i for i, g in enumerate(groups) if g == number]
        results = [i for i in members if segments[i].name == "OBX"]
        # a medication or an immunisation stands without its observations; an order with results does not
        alone = any(segments[i].name in _STEPS for i in members)
        if results and not alone and going.issuperset(results):
            lost.add(number)
    going.update(i for i, number in enumerate(groups) if number in lost)
    for i in whole:
        takes = _TAKES.get(segments[i].name, set()) | {"NTE"}
        for j in range(i + 1, len(segments)):
            if segments[j].name not in takes:
                break
            going.add(j)


def _narrative(message: Message, segment: Segment) -> bool:
    """True for what may say anything. Lines that hang on a frame segment are cut off later, with `more`."""
    name = segment.name
    if name == "NTE" or name.startswith("Z"):
        return True
    if name != "OBX":
        return False
    fields = segment.body.split(message.field)
    kind = fields[2].strip().upper() if len(fields) > 2 else b""
    value = fields[5] if len(fields) > 5 else b""
    if segment.more or kind in TEXT_TYPES:
        return bool(segment.more or value)
    return kind == b"ST" and _prose(message, value)


def _prose(message: Message, value: bytes) -> bool:
    """A string result that may be a sentence: long, or of more than three words, or repeated, or formatted."""
    return (
        len(value) > _SENTENCE
        or len(value.split()) > 3
        or (message.repetition != b"" and message.repetition in value)
        or (message.escape != b"" and message.escape in value)
    )


def _unlabelled(segment: Segment, known: frozenset[str]) -> bool:
    return segment.name not in FRAME and segment.place not in known


def _check_sense(message: Message, stay: list[Segment]) -> None:
    """A message that exists for its results (ORU, VXU, MDM, RDE ...) is not sent without any."""
    fields = message.segments[0].body.split(message.field)
    kind = fields[8][:3].upper() if len(fields) > 8 else b""
    if kind not in _STANDS_ALONE and not any(s.name in MAINS | CODED | {"OBX"} for s in stay):
        raise PermanentRefusal("nothing of the message may leave but its frame", code="original-nothing-left")
