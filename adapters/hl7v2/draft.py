"""What is being made of one patient's part of a message: resources, sources, warnings and what was not mapped."""

from __future__ import annotations

from typing import Any

from adapters.hl7v2.codes import table_of
from adapters.hl7v2.reader import Message, Segment
from hie.codes.systems import authority_uri, from_oid, from_v2_name, is_oid
from hie.fhir.ids import resource_id
from hie.model import Deleted, FeedContext, IdentityStatement, LocalCode, Resource, Warning

SINGLE = frozenset(
    (
        "MSH",
        "EVN",
        "PID",
        "PD1",
        "PV1",
        "PV2",
        "TXA",
        "SCH",
        "MRG",
        "RF1",
        "MSA",
        "QPD",
        "QAK",
        "ACC",
        "UB1",
        "UB2",
        "PDA",
    )
)
"""Segments that normally come once a patient: their places are written without an ordinal (`PID-5`), unless it is not 1."""

GUESSED = frozenset(("nka", "null", "0190", "0485"))
"""Tables in which a value is looked up that need not be of them: that it is not there says nothing."""


class Draft:
    """The growing output. One draft becomes one `hie.model.Record`."""

    def __init__(self, message: Message, context: FeedContext, event: str, sender: str, scope: str) -> None:
        self.message = message
        self.escape = message.escape
        self.context = context
        self.event = event
        self.sender = sender
        self.scope = scope
        """Seeds ids of things that nobody identifies beyond this message: feed and sending facility."""
        self.control_id = ""
        self.processing = "P"
        self.authored: str | None = None
        self.zone_offset = ""
        self.occurred: str | None = None
        self.resources: dict[str, Resource] = {}
        self.numbered: dict[str, int] = {}
        """Reference -> how many like it there are already."""
        self.sources: dict[tuple[str, str], None] = {}
        self.warnings: list[Warning] = []
        self.lost: dict[str, int] = {}
        self.statements: list[IdentityStatement] = []
        self.deleted: list[Deleted] = []
        self.local: list[LocalCode] = []
        self.rules: Any = None
        self.patient: dict[str, str] | None = None
        """Reference of the subject."""
        self.now: dict[Any, Any] = {}
        """The resources that the next segment may belong to, by role: order, report, observation, specimen ..."""
        self.owner: Resource | None = None
        """What a following NTE is about."""
        self.here: Segment | None = None
        """The segment that is being read."""
        self.later: list[Any] = []
        """Functions to call when all segments were read."""
        self.systems: dict[str, str] = {}
        self.cache: dict[tuple[str, str], Any] = {}

    # -- text and places ---------------------------------------------------------------------------------------------

    def text(self, value: str) -> str:
        """A leaf value; the HL7 null inside a field counts as empty."""
        if self.escape in value:
            before = len(self.message.warnings)
            value = self.message.text(value)
            if len(self.message.warnings) > before:
                odd = self.message.warnings.pop()
                self.warnings.append(odd._replace(where=self.here.where) if self.here is not None else odd)
            return value
        value = value.strip()
        return "" if value == '""' else value

    def where(self, segment: Segment, field: int, repetition: int = 0, component: int = 0) -> str:
        """`PID-5[2].1`, `OBX[7]-5`."""
        name = segment.name if segment.ordinal == 1 and segment.name in SINGLE else f"{segment.name}[{segment.ordinal}]"
        place = f"{name}-{field}"
        if repetition:
            place += f"[{repetition}]"
        return f"{place}.{component}" if component else place

    def lose(self, segment: Segment, field: int, repetition: int = 0, component: int = 0) -> None:
        """Lists a populated place whose value reaches no resource."""
        where = self.where(segment, field, repetition, component)
        self.lost[where] = self.lost.get(where, 0) + 1

    def rest(self, segment: Segment, field: int, repetition: int, components: list[str], known: int) -> None:
        """Lists the populated components behind the `known` first ones."""
        for at in range(known, len(components)):
            if components[at] and components[at] != '""':
                self.lose(segment, field, repetition, at + 1)

    def warn(self, code: str, segment: Segment, field: int, text: str, repetition: int = 0) -> None:
        self.warnings.append(Warning(code, self.where(segment, field, repetition), text))

    def repeats(self, raw: str) -> list[tuple[int, str]]:
        """(repetition, raw) of every populated repetition; repetition is 0 where the field has one only."""
        mark = self.message.repetition
        if mark not in raw:
            return [(0, raw)]
        return [(at, part) for at, part in enumerate(raw.split(mark), 1) if part and part != '""']

    def single(self, segment: Segment, field: int) -> str:
        """The first repetition of SEG-n, for an element that has room for one; further ones are listed."""
        raw = segment.get(field)
        mark = self.message.repetition
        if mark not in raw:
            return raw
        for at, _ in self.repeats(raw):
            if at > 1:
                self.lose(segment, field, at)
        return raw.partition(mark)[0]

    def parts(self, raw: str) -> list[str]:
        return raw.split(self.message.component)

    def first(self, raw: str) -> str:
        """Text of the first component of the first repetition."""
        if not raw:
            return ""
        message = self.message
        return self.text(raw.partition(message.repetition)[0].partition(message.component)[0])

    # -- resources ---------------------------------------------------------------------------------------------------

    def add(self, kind: str, sender: str, *business: str) -> Resource:
        """The resource of `kind` that `sender` identifies by `business`: the one already here, or a new one."""
        identity = resource_id(sender, kind, *business)
        reference = f"{kind}/{identity}"
        found = self.resources.get(reference)
        if found is None:
            found = self.resources[reference] = {"resourceType": kind, "id": identity}
        return found

    def unique(self, kind: str, sender: str, *business: str) -> Resource:
        """As `add`, but a second one with the same business identity in this draft is another resource."""
        identity = resource_id(sender, kind, *business)
        if f"{kind}/{identity}" in self.resources:
            # counting on from the last one: a message of thousands of like results must not try all numbers each time
            taken = f"{kind}/{identity}"
            count = self.numbered.get(taken, 1)
            while f"{kind}/{identity}" in self.resources:
                count += 1
                identity = resource_id(sender, kind, *business, str(count))
            self.numbered[taken] = count
        found = self.resources[f"{kind}/{identity}"] = {"resourceType": kind, "id": identity}
        return found

    @staticmethod
    def ref(resource: Resource) -> dict[str, str]:
        return {"reference": f"{resource['resourceType']}/{resource['id']}"}

    def source(self, segment: Segment, resource: Resource | None) -> None:
        """Records that `resource` was made from `segment`."""
        if resource is not None:
            self.sources[(f"{resource['resourceType']}/{resource['id']}", segment.where)] = None

    def nobody(self) -> dict[str, Any]:
        """The subject where R4 demands one and the message has no PID."""
        url = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
        return {"extension": [{"url": url, "valueCode": "unknown"}]}

    # -- systems -----------------------------------------------------------------------------------------------------

    def system(self, name: str) -> str:
        """URI of a coding system named in a field."""
        found = self.systems.get(name)
        if found is None:
            found = self.systems[name] = from_v2_name(name, self.context.authorities)
        return found

    def authority(self, raw: str) -> tuple[str, str]:
        """An HD inside a component (sub-components) -> (URI or "", namespace as sent)."""
        key = ("HD", raw)
        found: tuple[str, str] | None = self.cache.get(key)
        if found is None:
            parts = [self.text(part) for part in raw.split(self.message.sub)]
            if len(parts) == 1 and self.message.component in raw:
                parts = [self.text(part) for part in raw.split(self.message.component)]
            parts += [""] * (3 - len(parts))
            found = authority_uri(parts[0], parts[1], parts[2], self.context.authorities), parts[0]
            self.cache[key] = found
        return found

    def oid_system(self, oid: str) -> str:
        return from_oid(oid) if is_oid(oid) else ""

    def coded(self, table: str, code: str) -> tuple[str, str] | None:
        """(system, code) of a value of an HL7 table: the site's map for `HL7NNNN` first, then the built-in one."""
        site = self.context.code_maps
        if site:
            for name in (f"HL7{table}", table):
                if name in site and code in site[name]:
                    system, mapped, _ = site[name][code]
                    return system, mapped
        found = self.standard(table, code)
        if found is None and code and table not in GUESSED:
            self.local.append(LocalCode(f"HL7{table[:4]}", code, dropped=True))
        return found

    @staticmethod
    def standard(table: str, code: str) -> tuple[str, str] | None:
        """As `coded`, by the built-in tables alone."""
        rows = table_of(table)
        return rows.get(code) or rows.get(code.upper())

    def unnamed(self, segment: Segment, field: int, table: str, code: str) -> None:
        """Notes a code that came without a system: of the HL7 table that the field implies, else of the field."""
        self.local.append(LocalCode(f"HL7{table}" if table else f"{segment.name}-{field}", code))
