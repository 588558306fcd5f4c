"""Forwards the stored HL7v2 bytes: what the sender wrote, less what the subscriber may not have.

With nothing withheld only MSH-5 and MSH-6 differ (where the subscriber's are configured) and MSH-15/16 (acknowledgement is
a matter between neighbours: a forwarded NE would ask for silence), so a receiver sees the sender's own message; MSH-10 stays, and with it the receiver's own detection of repeats. Obligations are written as
NTE behind the patient group; confidentiality goes into PD1-12, ORC-28 and TXA-18 of segments that are there.
Sources: HL7 v2.5.1 chapters 2, 3, 4, 9; tables 0136, 0177, 0272; 42 CFR 2.32.
"""

from __future__ import annotations

from adapters.hl7v2.original_redact import CODED, MAINS, kept
from adapters.hl7v2.original_segments import Message, Segment, read, set_field
from hie.errors import PermanentRefusal
from hie.model import SubscriberContext, View

_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_SPEECHLESS = {"ADT^A17", "ADT^A24", "ADT^A37"}
"""Events about two patients, which say nothing when one of them is missing."""


def encode(view: View, context: SubscriberContext) -> bytes:
    """The bytes of `view.raw` for this subscriber. Places in `view.removed` are gone, with everything that hangs on
    them (adapters.hl7v2.original_redact says what).

    Raises PermanentRefusal: `original-not-hl7v2`, `original-batch`, `original-several-patients`, and the codes of
    `original_redact.kept`.
    """
    message = read(view.raw)
    segments = list(message.segments)
    known, orphaned = _known(view)
    if removed := view.removed | orphaned:
        segments = kept(message, view.raw, removed, view.released, known)
    segments = _of_patient(segments, view)
    segments = [_confidential(message, s, _level(view)) for s in segments]
    segments[0] = _addressed(message, segments[0], context)
    return _joined(message, segments, _notices(message, view))


def _of_patient(segments: list[Segment], view: View) -> list[Segment]:
    """Only the patient group of this view: a message about several patients was decoded into several records."""
    starts = [i for i, s in enumerate(segments) if s.name == "PID"]
    if len(starts) < 2:
        return segments
    places = {source.where.split("-")[0] for source in view.sources} | set(view.removed)
    mine = [i for i in starts if segments[i].place in places]
    if not mine or (view.event in _SPEECHLESS and len(mine) < len(starts)):
        raise PermanentRefusal(
            "the message is about several patients and the part of this one cannot be told",
            code="original-several-patients",
        )
    stay = segments[: starts[0]]
    for start, end in zip(starts, [*starts[1:], len(segments)], strict=True):
        if start in mine:
            stay += segments[start:end]
    return stay


_SUPPORTING = frozenset(
    {
        "Practitioner",
        "PractitionerRole",
        "Organization",
        "Location",
        "Device",
        "Specimen",
        "Patient",
        "Encounter",
        "MessageHeader",
    }
)


def _known(view: View) -> tuple[frozenset[str], frozenset[str]]:
    """Places (without field suffixes) whose resources are in the view; and statements and results of which only a
    performer or a laboratory is left: what they say was withheld, though something of the place is still there."""
    present = {f"{r.get('resourceType')}/{r.get('id')}" for r in view.resources}
    known: set[str] = set()
    supporting: set[str] = set()
    for reference, where in view.sources:
        if reference in present:
            place = where.split("-")[0]
            states = place[:3] in CODED | MAINS | {"OBX"} and reference.partition("/")[0] in _SUPPORTING
            (supporting if states else known).add(place)
    return frozenset(known), frozenset(supporting - known)


def _addressed(message: Message, header: Segment, context: SubscriberContext) -> Segment:
    body = header.body
    for number, value in ((4, context.application), (5, context.facility)):
        if value:
            body = set_field(message, body, number, message.escaped(value, components=True))
    fields = body.split(message.field)
    if any(fields[14:16]):
        # what the sender asked of us is not what we ask of the next: we need one answer, that it was taken
        body = set_field(message, body, 14, b"AL")
        body = set_field(message, body, 15, b"NE")
    return Segment(header.name, header.ordinal, body, header.end, header.more)


def _level(view: View) -> str:
    """V, R or "": the highest confidentiality among the labels of the view."""
    codes = {
        label.get("code")
        for resource in view.resources
        for label in resource.get("meta", {}).get("security", ())
        if label.get("system") == _CONFIDENTIALITY
    }
    return "V" if "V" in codes else "R" if "R" in codes else ""


_FLAGS = {"PD1": 12, "ORC": 28, "TXA": 18}


def _confidential(message: Message, segment: Segment, level: str) -> Segment:
    """Raises the sender's own confidentiality where it is lower; never lowers it."""
    number = _FLAGS.get(segment.name)
    if not level or number is None or message.double_byte:
        return segment
    fields = segment.body.split(message.field)
    present = fields[number] if number < len(fields) else b""
    code = b"Y" if segment.name == "PD1" else level.encode()
    if present[:1] == code or present[:1] == b"V":
        return segment
    body = set_field(message, segment.body, number, code)
    return Segment(segment.name, segment.ordinal, body, segment.end, segment.more)


def _notices(message: Message, view: View) -> list[bytes]:
    """Texts of the NTE segments: each obligation, then purpose and consent; nothing where nothing is owed."""
    if not view.obligations:
        return []
    texts = [*view.obligations, f"Purpose of use: {view.purpose}"]
    if view.consent:
        texts.append(f"Consent: {view.consent}")
    return [message.escaped(text) for text in texts]


def _joined(message: Message, segments: list[Segment], notices: list[bytes]) -> bytes:
    made: list[bytes] = []
    at = _behind_patient(segments) if notices else -1
    end = next((s.end for s in segments if s.end), b"\r")
    for index, segment in enumerate(segments):
        made.append(segment.body + segment.end + segment.more)
        if index == at:
            if not (segment.end or segment.more.endswith((b"\r", b"\n"))):
                made.append(end)
            first = 1 + sum(1 for s in _run_of_notes(segments, index))
            for number, text in enumerate(notices, first):
                made.append(message.field.join((b"NTE", b"%d" % number, b"O", text, b"RE")) + end)
    return b"".join(made)


def _behind_patient(segments: list[Segment]) -> int:
    """Index of the last segment of the first patient group: PID, PD1 and the notes on them; MSH where there is none."""
    at = next((i for i, s in enumerate(segments) if s.name == "PID"), 0)
    while at + 1 < len(segments) and segments[at + 1].name in ("PD1", "NTE"):
        at += 1
    return at


def _run_of_notes(segments: list[Segment], index: int) -> list[Segment]:
    run = []
    while index >= 0 and segments[index].name == "NTE":
        run.append(segments[index])
        index -= 1
    return run
