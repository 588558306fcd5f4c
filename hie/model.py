"""The nouns of the exchange: frozen, without I/O. FHIR R4 resources are plain dicts (`Resource`)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from hie.conformance import Profile

Resource = dict[str, Any]
"""One FHIR R4 (4.0.1) resource as parsed JSON."""


class Identifier(NamedTuple):
    """A patient (or visit) identifier as its issuer knows it. Equality of all three parts is identity.

    `authority` is a URI (`urn:oid:...`, a configured URI) or, where the sender gave only a name, `urn:hie:authority:NAME`.
    `type` is the code of HL7 table 0203 (MR, SS, ...) or "".
    """

    authority: str
    type: str
    value: str

    @property
    def key(self) -> str:
        """The ordering key of invariant 5."""
        return f"{self.authority}|{self.type}|{self.value}"


@dataclass(frozen=True, slots=True)
class Keys:
    """What `peek` reads from raw bytes before the commit: enough to store, order, dedupe and acknowledge."""

    format: str
    """hl7v2, ccda, fax, fhir."""
    control_id: bytes
    """MSH-10 as sent, byte for byte; for a document its id or b""."""
    event: str
    """`ADT^A01` for HL7v2, the LOINC document code or resource type elsewhere; "" if unknown."""
    ordering: tuple[str, ...]
    """All ordering keys (`Identifier.key`, unresolved authority as sent). Several make the message a barrier."""
    sender: str = ""
    """Sending application and facility as sent, joined by "|" (HL7v2)."""
    processing: str = "P"
    """MSH-11: P production, T training, D debugging."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One accepted input, as the journal keeps it."""

    message_id: str
    feed: str
    format: str
    raw: bytes
    sha256: bytes
    received_at: float
    """Seconds since the epoch, by the intake's clock."""
    keys: Keys
    source: str = ""
    """Peer address or authenticated name."""


@dataclass(frozen=True, slots=True)
class FeedContext:
    """All that a decode depends on besides the bytes: hashed and recorded, so that a decode can be repeated."""

    feed: str = "default"
    timezone: str | None = None
    """IANA name for times without an offset; None: such times become dates (hie.fhir.dates)."""
    charset: str | None = None
    """Used where the message names none."""
    authorities: Mapping[str, str] = field(default_factory=dict)
    """Assigning authority, facility or table name as sent (HL7 namespace id, OID, local code system) -> URI."""
    default_authority: str | None = None
    """URI for patient identifiers that come without an assigner."""
    code_maps: Mapping[str, Mapping[str, tuple[str, str, str]]] = field(default_factory=dict)
    """Local code system -> local code -> (system URI, code, display), from the site's code tables. A system stands there as
    sent and as the URI it becomes; `OBX-3` is a field whose codes come without a system, "" any place of such codes."""
    overrides: Mapping[str, Any] = field(default_factory=dict)
    """Per-sender deviations, documented in each adapter's settings."""
    required: Profile | None = None
    """The profile that a message has to conform to, else it is not read; None: nothing is refused."""
    senders: tuple[tuple[str, str, FeedContext], ...] = ()
    """Patterns of sending application and facility, and what holds for those that fit: the first that does."""

    def of(self, application: str, facility: str) -> FeedContext:
        """What holds for one sender of several that share the feed. Patterns are of shell style, letter case counts."""
        for wanted, where, context in self.senders:
            if fnmatchcase(application, wanted) and fnmatchcase(facility, where):
                return context
        return self


class Warning(NamedTuple):
    """Something odd that was tolerated. `text` never holds a value of the message."""

    code: str
    where: str
    text: str


class LocalCode(NamedTuple):
    """A code of which the message does not say whose it is, or that no table translates. Not always fit to be written down:
    hie.codes.untranslated decides."""

    where: str
    """The table that the field implies (`HL70069`), else the field (`OBX-3`)."""
    code: str
    dropped: bool = False
    """FHIR allows only its own codes there, so that it reached no resource."""


class Unmapped(NamedTuple):
    """A populated place whose value reached no resource. Carries no value."""

    where: str
    times: int


class Source(NamedTuple):
    """Provenance, compact: the resource `reference` ("Observation/uuid") was made from the place `where`.

    `where` is `OBX[7]` (segment with its ordinal in the message), an XPath, or `page 2 line 14`. Every segment of a
    message has at least one Source or is in `unmapped`, because a v2 subscriber may get the stored bytes with
    segments removed by the label of the resource they became.
    """

    reference: str
    where: str


class Deleted(NamedTuple):
    """The sender says that a value no longer holds (HL7v2 `""`). Not the same as saying nothing."""

    reference: str
    """The resource it is about."""
    element: str
    """FHIR element that loses its value (`telecom`, `hospitalization.admitSource`)."""
    where: str
    """Place in the message (`PID-13`)."""


class StatementKind(StrEnum):
    """What a sender may state about identifiers (HL7v2 chapter 3)."""

    MERGE = "merge"
    """A40, A34, A18: `prior` is now `survivor`."""
    LINK = "link"
    """A24: both belong to one person."""
    UNLINK = "unlink"
    """A37."""
    MOVE = "move"
    """A45, A47, A43: a visit or identifier moves from `prior` to `survivor`."""


class IdentityStatement(NamedTuple):
    kind: StatementKind
    survivor: Identifier
    prior: Identifier


@dataclass(frozen=True, slots=True)
class Record:
    """What one message, or one patient's part of it, says: the decoder's output.

    `resources` hold no Provenance of places; `sources` do (hie.fhir.provenance renders them). All references inside
    resources are relative ("Patient/uuid") and resolve inside the record. Ids are UUIDv5 (hie.fhir.ids): same input, same bytes.
    """

    index: int
    """0-based position in the message (batches and multi-patient documents give several records)."""
    event: str
    patient: str | None
    """Reference of the subject ("Patient/uuid"), None where the record is about nobody."""
    resources: tuple[Resource, ...]
    sources: tuple[Source, ...] = ()
    warnings: tuple[Warning, ...] = ()
    unmapped: tuple[Unmapped, ...] = ()
    statements: tuple[IdentityStatement, ...] = ()
    processing: str = "P"
    control_id: str = ""
    sender: str = ""
    """Display of who sent it (application and facility, or custodian)."""
    authored: str | None = None
    """FHIR instant of the message or document (MSH-7, effectiveTime), None if it has no full precision."""
    deleted: tuple[Deleted, ...] = ()
    occurred: str | None = None
    """FHIR dateTime of the event that the message tells (EVN-6, EVN-2), None if it says nothing of its own."""
    local: tuple[LocalCode, ...] = ()
    """For the work list of codes; what the resources themselves tell does not stand here again."""


@dataclass(frozen=True, slots=True)
class SecurityLabel:
    """One label on one resource. `code` is v3-ActCode sensitivity (ETH, PSY, HIV ...) or a confidentiality (N, R, V)."""

    code: str
    cause: str
    """The rule that set it, without patient data."""
    system: str = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    confidence: float = 1.0


class Acknowledgement(NamedTuple):
    """The answer to one HL7v2 message: table 0008 code, table 0357 condition (0 = none), place and text for ERR."""

    code: str
    err: int = 0
    where: str = ""
    text: str = ""


class MessageOutcome(StrEnum):
    """Every received message ends in exactly one."""

    ROUTED = "routed"
    """Understood, kept and offered to the subscribers that ask for it."""
    DUPLICATE = "duplicate"
    """Came before: acknowledged again, no second effect."""
    QUARANTINED = "quarantined"
    """Kept, but no record could be made of it; an operator can release it."""
    REJECTED = "rejected"
    """Refused on reading its header; the sender was told and the bytes are kept."""


class DeliveryState(StrEnum):
    """States on the way, then the final outcomes of invariant 2."""

    QUEUED = "queued"
    """Waits for its turn, or for its next attempt."""
    BEGUN = "begun"
    """Decided and written down as a disclosure; the bytes are on their way."""
    UNKNOWN = "unknown"
    """The bytes left and no answer came: tried again under the same key, and listed to the patient as "may have been received"."""
    HELD = "held"
    """Kept back by hand; no part of this version sets it."""
    DELIVERED = "delivered"
    """The subscriber took it."""
    DELIVERED_REDACTED = "delivered-redacted"
    """The subscriber took the part that it may have."""
    WITHHELD = "withheld"
    """Nothing was sent, because it could not be decided or made safe."""
    DENIED = "denied"
    """Nothing was sent, because a rule forbids it."""
    SUPERSEDED = "superseded"
    """A newer version went instead."""
    EXPIRED = "expired"
    """Its subscription ended before it could go."""
    PURGED = "purged"
    """An operator took it out, with a reason."""
    DEAD_LETTERED = "dead-lettered"
    """Given up; an operator can release it."""

    @property
    def final(self) -> bool:
        return self not in (self.QUEUED, self.BEGUN, self.UNKNOWN, self.HELD)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a message or a delivery ended, and why: a drop without a reason cannot be written down."""

    state: MessageOutcome | DeliveryState
    reason: str
    """Code from hie.outcomes.REASONS."""
    text: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """What one subscriber may see of one record: the encoder's input.

    `resources` are already redacted and carry their labels in meta.security; `removed` are the places (`OBX[7]`) whose
    resources were withheld, for forwarding of the original bytes; `obligations` are texts that must travel along.
    """

    message_id: str
    event: str
    enterprise_id: str
    patient: str | None
    resources: tuple[Resource, ...]
    sources: tuple[Source, ...]
    raw: bytes
    removed: frozenset[str] = frozenset()
    obligations: tuple[str, ...] = ()
    purpose: str = "TREAT"
    consent: str = ""
    authored: str | None = None
    sender: str = ""
    released: frozenset[str] = frozenset()
    """Places of free text that a policy or a person let go although something else of the message is withheld; all
    other free text of such a message stays back in forwarding of the original bytes."""


@dataclass(frozen=True, slots=True)
class SubscriberContext:
    """What an encoder needs to know of the receiver."""

    name: str
    key: str
    """The delivery's idempotency key: stable over retries; MSH-10 of rendered messages, header of HTTP requests."""
    application: str = ""
    facility: str = ""
    reveal_redaction: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Arrival:
    """What a source hands to `accept`: raw bytes and what `peek` made of them.

    `refusal` is set where the bytes are kept but refused on the peek alone (quarantine); `keys` is then None or partial.
    `flags` name tolerated quirks (`lf-segments`, `no-final-cr`, `same-id-other-bytes` ...), never values.
    """

    feed: str
    format: str
    raw: bytes
    source: str
    keys: Keys | None
    refusal: Acknowledgement | None = None
    flags: tuple[str, ...] = ()


class Batch(NamedTuple):
    """A body taken apart by its format. `header` is the segment that announces a batch, b"" where none does."""

    messages: tuple[bytes, ...]
    header: bytes = b""
    complete: bool = True
    """False: the counts that the batch states do not agree with what came, or its trailer is missing."""
    rest: tuple[bytes, ...] = ()
    """What belongs to no message: text before the first, a frame that never ended."""


class Receipt(NamedTuple):
    """Proof that the raw bytes are on disk. `duplicate_of` names the first arrival of the same message, or ""."""

    message_id: str
    duplicate_of: str = ""
