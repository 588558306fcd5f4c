"""HL7 v2 bytes -> FHIR R4 records. Pure: no I/O, no clock, the same bytes give the same records, ids included."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.hl7v2 import deletion
from adapters.hl7v2.codes import THO
from adapters.hl7v2.draft import Draft
from adapters.hl7v2.identifiers import as_key
from adapters.hl7v2.overrides import noticed, prepared
from adapters.hl7v2.patient import leading, subject
from adapters.hl7v2.reader import Message, Segment, read
from adapters.hl7v2.rules import rules_for
from adapters.hl7v2.times import time_of
from adapters.hl7v2.walk import walk
from hie.fhir.repair import sound
from hie.fhir.validate import valid
from hie.model import FeedContext, IdentityStatement, Record, Resource, Source, StatementKind, Unmapped, Warning

HEADER = frozenset(("MSH", "SFT", "UAC", "EVN", "MSA", "ERR", "QAK", "QPD", "QRD", "QRF", "DSP", "DSC"))
"""Segments about the message: every record of a message with several patients has them."""


def decode(raw: bytes, context: FeedContext) -> Iterator[Record]:
    """Records of one message, of each patient in it, or of each message of a batch.

    Raises hie.errors.DecodeError where there is no readable MSH; among several messages, after the others were given.
    """
    index = 0
    nulls = b'""' in raw
    for message in read(raw, context.charset):
        for record in _records(message, context, index, nulls):
            yield record
            index += 1


def _records(message: Message, context: FeedContext, index: int, nulls: bool) -> Iterator[Record]:
    if context.senders or context.overrides:
        context = prepared(message, context)
    head, groups = _groups(message)
    for at, group in enumerate(groups):
        d = _draft(message, context)
        if at:
            d.resources, d.sources = {}, {}
        pid = next((s for s in group if s.name == "PID"), None)
        if pid is not None:
            d.patient = subject(d, pid)
        walk_head = head if at == 0 else [s for s in head if s.name in ("MSH", "SFT", "EVN")]
        _pair(d, groups, at)
        if nulls:
            deletion.told(d, head + group if at == 0 else group)
        if at == 0:
            for s in message.envelope:  # what FHS and BHS say of the whole batch has no place in one message's record
                if s.name in ("FHS", "BHS"):
                    for n, sent in enumerate(s.fields):
                        if n > 2 and sent and sent != '""':
                            d.lose(s, n)
        yield _record(d, walk_head, group, index + at, at == 0)


def _groups(message: Message) -> tuple[list[Segment], list[list[Segment]]]:
    """Header segments, and the segments of each patient. What comes before the first PID is the first patient's."""
    head: list[Segment] = []
    groups: list[list[Segment]] = [[]]
    seen: str | None = None
    for s in message.segments:
        name = s.name
        if name == "PID":
            key = s.get(3)
            if seen is not None and key != seen:
                groups.append([])
            seen = key
            groups[-1].append(s)
        elif seen is None and name in HEADER and len(groups) == 1 and not groups[0]:
            head.append(s)
        else:
            groups[-1].append(s)
    return head, groups


def _draft(message: Message, context: FeedContext) -> Draft:
    msh = (
        message.segments[0]
        if message.segments[0].name == "MSH"
        else next(s for s in message.segments if s.name == "MSH")
    )
    c = message.component
    application, facility = msh.get(3), msh.get(4)
    kind = [message.text(p) for p in msh.get(9).partition(message.repetition)[0].split(c)]
    code, trigger = kind[0], kind[1] if len(kind) > 1 else ""
    if not code and len(kind) > 2:
        code, _, trigger = kind[2].partition("_")
    event = f"{code}^{trigger}" if trigger else code
    sender = "|".join(message.text(f.partition(c)[0]) for f in (application, facility))
    scope = f"{context.feed}|{message.text(application)}|{message.text(facility)}"
    d = Draft(message, context, event, sender, scope)
    d.rules = rules_for(context.overrides)
    d.control_id = message.text(msh.get(10))
    d.processing = message.text(msh.get(11).partition(c)[0]) or "P"
    if raw := msh.get(7):
        stamp = raw.partition(c)[0]
        offset = stamp[-5:]
        if offset[:1] in "+-" and offset[1:].isdigit():
            d.zone_offset = offset
        time = time_of(d, raw)
        if time.instant is not None:
            d.authored = time.value
    return d


def _emit(d: Draft) -> list[Resource]:
    """Strict on emit: a resource that R4 does not allow is cut down to what it does, with a warning at its segment."""
    resources = list(d.resources.values())
    if valid(resources):
        return resources
    resources, issues = sound(resources)
    places = dict(d.sources)
    for issue in issues:
        where = next((w for reference, w in places if reference == issue.reference), "")
        element = ".".join(str(p) for p in issue.path if isinstance(p, str))
        kind = issue.reference.partition("/")[0]
        d.warnings.append(Warning("element-removed", where, f"{kind}.{element}: {issue.code}"))
        if where and issue.code not in ("empty", "required", "required-choice"):
            d.lost[where] = d.lost.get(where, 0) + 1
    kept = {f"{r['resourceType']}/{r['id']}" for r in resources}
    for reference, where in places:
        if reference not in kept:
            del d.sources[(reference, where)]
            d.lost.setdefault(where, 1)
    return resources


def _mark(d: Draft) -> None:
    """Test and debugging messages: every resource says so, so that it can never pass for production."""
    tag = {"system": THO + "v2-0103", "code": d.processing}
    for resource in d.resources.values():
        tags = resource.setdefault("meta", {}).setdefault("tag", [])
        if not any(one.get("code") == d.processing for one in tags):
            tags.insert(0, dict(tag))


_PAIRS = {"A24": StatementKind.LINK, "A37": StatementKind.UNLINK}


def _pair(d: Draft, groups: list[list[Segment]], at: int) -> None:
    """A24 and A37: the two patients of the message are, or are not, one person. The first record states it to the person
    index; each says it of its patient: a link to the other, or, as FHIR cannot say that there is none, a warning."""
    kind = _PAIRS.get(d.event.partition("^")[2])
    pids = [s for group in groups for s in group if s.name == "PID"]
    if kind is None or len(pids) < 2 or len(groups) < 2 or d.patient is None or at > 1:
        return
    first, second = (leading(d, pid) for pid in pids[:2])
    if first is None or second is None:
        return
    if at == 0:
        d.statements.append(IdentityStatement(kind, as_key(first), as_key(second)))
    if kind is StatementKind.UNLINK:
        d.warn("persons-unlinked", pids[at], 3, "the sender says that the two patients of this message are two persons")
        return
    # by its number: the other patient is told in the other record, and not half told here
    other = {"type": "Patient", "identifier": second if at == 0 else first}
    d.now["link"] = [{"other": other, "type": "seealso"}]


def _record(d: Draft, head: list[Segment], group: list[Segment], index: int, first: bool) -> Record:
    walk(d, head + group)
    if d.processing != "P":
        _mark(d)
    resources = _emit(d)
    if d.context.overrides:
        d.lost = noticed(d.lost, d.context.overrides)
    warnings = d.message.warnings + d.warnings
    return Record(
        index=index,
        event=d.event,
        patient=d.patient["reference"] if d.patient else None,
        resources=tuple(resources),
        sources=tuple(map(Source._make, d.sources)),
        warnings=tuple(dict.fromkeys(warnings)),
        unmapped=tuple(Unmapped(where, times) for where, times in d.lost.items()),
        statements=tuple(d.statements),
        processing=d.processing,
        control_id=d.control_id,
        sender=d.sender,
        authored=d.authored,
        deleted=tuple(d.deleted),
        occurred=d.occurred,
        local=tuple(dict.fromkeys(d.local)),
    )
