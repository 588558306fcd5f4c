"""The sections of the configuration file: each key with its type, its default and the words of the reference page."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)?\Z")
_SECONDS = {"ms": 0.001, None: 1, "s": 1, "m": 60, "min": 60, "h": 3600, "d": 86400, "w": 604800}


def duration(text: Any) -> Any:
    """`90s`, `15m`, `24h`, `7d` -> seconds."""
    if isinstance(text, str):
        match = _DURATION.match(text.strip())
        if match is None:
            raise ValueError("a duration looks like 90s, 15m, 24h or 7d")
        return float(match.group(1)) * _SECONDS[match.group(2)]
    return text


Seconds = Annotated[float, BeforeValidator(duration)]
NAME = r"^[a-z0-9][a-z0-9-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME)]


class Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Http(Section):
    """Where the console, the API and the HTTP intake listen."""

    host: str = "127.0.0.1"
    """Address the console, the API and the HTTP intake listen on. Anything but loopback needs TLS in front."""
    port: int = Field(default=8080, ge=0, le=65535)
    """Port; 0 takes a free one and writes it to `var/run/http.port`."""
    max_body: int = Field(default=33_554_432, ge=1024)
    """Largest body `/intake` accepts, bytes."""


class Workers(Section):
    """How much the node does at once."""

    pool: int = Field(default=1, ge=1, le=64)
    """Processes that decode and label, for each engine."""
    engines: int = Field(default=1, ge=1, le=16)
    """Engine processes of this node, which share out lanes and subscribers between them and with the engines of other
    nodes on the same database. More than one needs PostgreSQL."""
    batch: int = Field(default=128, ge=1, le=1024)
    """Messages taken from the journal at once."""
    backlog: int = Field(default=192, ge=1)
    """Messages accepted but not delivered yet (to subscribers that answer) above which acknowledgements slow down, each by
    at most a second: a fast answer must not hide a slow pipeline."""
    memory: int = Field(default=268_435_456, ge=1_048_576)
    """Bytes of frames that all listeners together hold before their commit; beyond it they stop reading, and the largest
    frame is refused."""


class Participant(Section):
    """An organisation that takes part: consents, feeds and subscribers speak of it."""

    name: Name
    """Short name used everywhere else."""
    title: str = ""
    """As people call it."""
    references: tuple[str, ...] = ()
    """FHIR references by which consents name it (`Organization/north`), and its identifiers (`system|value`)."""
    part_of: Name | None = None
    """The participant this one belongs to: a consent for the parent covers it."""
    types: frozenset[str] = frozenset()
    """What kind of source or recipient it is: clinic, hospital, laboratory, payer, public-health, part2-programme ..."""
    state: Literal["active", "suspended", "left"] = "active"
    """A suspended participant sends and receives nothing: the first step of every decision."""
    role: str = ""
    """Role whose categories limit what it may have (minimum necessary), where the policy names one."""


def known_zone(value: str | None) -> str | None:
    if value is not None:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError("is no IANA time zone such as America/Chicago") from None
    return value


Zone = Annotated[str | None, AfterValidator(known_zone)]


class Sender(Section):
    """One of several senders that share a feed, told apart by MSH-3 and MSH-4. What stands here is laid over what the feed
    says; of several that fit, the first counts."""

    application: str = "*"
    """Sending application (MSH-3, first component) as sent; `*` and `?` stand for anything: `LAB*`."""
    facility: str = "*"
    """Sending facility (MSH-4, first component) as sent."""
    timezone: Zone = None
    """As of a feed."""
    authorities: dict[str, str] = {}
    """As of a feed; added to it."""
    default_authority: str | None = None
    """As of a feed."""
    code_systems: dict[str, str] = {}
    """As of a feed; added to it."""
    codes: tuple[Path, ...] = ()
    """As of a feed; where both say something of a code, this counts."""
    overrides: dict[str, Any] = {}
    """As of a feed; added to it, key by key."""


class Feed(Section):
    """One way in: who sends, what, and how it is to be read."""

    name: Name
    """Name in logs, metrics and `/intake/{feed}`."""
    participant: Name
    """Who sends."""
    format: Name = "hl7v2"
    """What the bytes are: a format that an installed adapter decodes (`hl7v2`, `ccda`, `fax`, `fhir`)."""
    source: dict[str, Any]
    """How they come: `kind: mllp` with the settings of that adapter, or `kind: http`."""
    timezone: Zone = None
    """IANA zone of times that come without an offset; without it such times become dates."""
    charset: str | None = None
    """Character set where the message names none."""
    authorities: dict[str, str] = {}
    """Assigning authority or facility as sent -> URI. Two clinics that both say `MRN` need this."""
    default_authority: str | None = None
    """URI for patient identifiers that come without an assigner."""
    code_systems: dict[str, str] = {}
    """Local coding system names or OIDs as sent -> URI."""
    codes: tuple[Path, ...] = ()
    """Code tables of this sender: sheets (`.tsv`, `.csv`) and FHIR ConceptMaps (`.json`), laid over those of the site."""
    senders: tuple[Sender, ...] = ()
    """Where several senders share the feed: what each does otherwise (HL7v2 only)."""
    expected_interval: Seconds | None = None
    """Longest silence that is normal: beyond it the feed counts as silent."""
    dedupe_window: Seconds = 86400
    """How long a repeated message (same control id, same content) is recognised."""
    dedupe_ignores_time: bool = False
    """Whether a repeat is recognised though its MSH-7 differs: for senders that stamp every attempt anew."""
    consents: bool = False
    """Whether FHIR Consent resources from this feed take effect. A sender that may set consent decides who sees what."""
    priority: Literal["live", "backfill"] = "live"
    """`backfill`: history that must not delay what comes in now; it is taken in and delivered only while nothing live waits."""
    shadow: bool = False
    """Decide and compare, but send nothing of what this feed brings: to run beside the engine that a site has today."""
    tap: Name | None = None
    """This feed carries what the present engine sent to the named subscriber: stored to be compared, never routed."""
    overrides: dict[str, Any] = {}
    """Per-sender deviations of the decoder (see the adapter's page)."""
    conformance: Literal["off", "report", "strict"] = "off"
    """Whether messages are held against the base standard and `profile`: `report` counts what is found, of what comes in
    while the node has time, and refuses nothing; `strict` puts what breaks a rule of the profile in quarantine."""
    profile: Path | None = None
    """The site's conformance profile for this feed (YAML, see docs/operate/conformance.md). `strict` needs one."""

    @property
    def kind(self) -> str:
        return str(self.source.get("kind", ""))


class Subscription(Section):
    """What a subscriber asks for. A record must meet every key that is set."""

    events: tuple[str, ...] = ("*",)
    """Event patterns: `ADT^A01`, `ORU^*`, `*`; for documents their format: `ccda`, `fax`."""
    sources: tuple[Name, ...] = ()
    """Participants whose messages are wanted; none named: all."""
    categories: tuple[str, ...] = ()
    """Resource types, or `type:category` (`Observation:laboratory`); none named: all. Others are left out of what is sent."""
    codes: tuple[str, ...] = ()
    """`system|code` prefixes (`http://hl7.org/fhir/sid/icd-10-cm|A15`) of which the record must hold at least one."""
    roster: Path | None = None
    """CSV of `authority,type,value`: only these patients. None: everybody."""


class Retry(Section):
    """How long a delivery that does not succeed is tried again."""

    first: Seconds = 1
    """Wait before the second attempt; it doubles, with jitter."""
    longest: Seconds = 300
    """The longest wait between two attempts."""
    give_up: Seconds = 259200
    """Age at which a delivery that never succeeded is dead-lettered."""


class Subscriber(Section):
    """One way out: who receives, for which purpose, what, and how."""

    name: Name
    """Name in logs, metrics and on the console."""
    participant: Name
    """Who receives."""
    purpose: str
    """v3-ActReason code it receives for: TREAT, HPAYMT, HOPERAT, PUBHLTH ... There is no default: a purpose is a promise."""
    sink: dict[str, Any]
    """Where to: `kind: mllp` or `kind: fhir` with that adapter's settings."""
    encoder: str
    """`original`, `rendered` (HL7v2) or `bundle` (FHIR)."""
    subscriptions: tuple[Subscription, ...] = (Subscription(),)
    """What it gets: any one of these."""
    application: str = ""
    """MSH-5 of what leaves."""
    facility: str = ""
    """MSH-6 of what leaves."""
    retry: Retry = Retry()
    """Waits between attempts, and when to give up."""
    connections: int = Field(default=1, ge=1, le=64)
    """Sockets opened to it at once. Order per patient holds with any number."""
    accepts_tests: bool = False
    """Whether messages with processing id T or D (MSH-11) may go there. Never for production systems."""
    shadow: bool = False
    """Decide, render and compare, but send nothing: to run beside the engine that a site has today."""
    mandated_reporting: bool = False
    """True for an agency to which the jurisdiction's reporting list makes disclosure a duty."""
