"""The node's configuration: one YAML file and the files it includes, typed, checked, with file and line in every error.

The field docs below are the reference page. An unknown key is an error that names the nearest valid one.
"""

from __future__ import annotations

import hashlib
import re
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from hie import registry, yamlfile
from hie.contradictions import contradictions
from hie.errors import ConfigurationError
from hie.includes import with_includes
from hie.model import FeedContext

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
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


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
    """Processes that decode and label."""
    batch: int = Field(default=128, ge=1, le=1024)
    """Messages taken from the journal at once."""
    backlog: int = Field(default=192, ge=1)
    """Messages accepted but not delivered yet (to subscribers that answer) above which acknowledgements slow down, each by
    at most a second: a fast answer must not hide a slow pipeline."""


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
    timezone: str | None = None
    """IANA zone of times that come without an offset; without it such times become dates."""
    charset: str | None = None
    """Character set where the message names none."""
    authorities: dict[str, str] = {}
    """Assigning authority or facility as sent -> URI. Two clinics that both say `MRN` need this."""
    default_authority: str | None = None
    """URI for patient identifiers that come without an assigner."""
    code_systems: dict[str, str] = {}
    """Local coding system names as sent -> URI."""
    expected_interval: Seconds | None = None
    """Longest silence that is normal: beyond it the feed counts as silent."""
    dedupe_window: Seconds = 86400
    """How long a repeated message (same control id, same content) is recognised."""
    dedupe_ignores_time: bool = False
    """Whether a repeat is recognised though its MSH-7 differs: for senders that stamp every attempt anew."""
    consents: bool = False
    """Whether FHIR Consent resources from this feed take effect. A sender that may set consent decides who sees what."""
    overrides: dict[str, Any] = {}
    """Per-sender deviations of the decoder (see the adapter's page)."""

    @field_validator("timezone")
    @classmethod
    def known_zone(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                ZoneInfo(value)
            except (ZoneInfoNotFoundError, ValueError):
                raise ValueError("is no IANA time zone such as America/Chicago") from None
        return value

    @property
    def kind(self) -> str:
        return str(self.source.get("kind", ""))

    def context(self) -> FeedContext:
        return FeedContext(
            feed=self.name,
            timezone=self.timezone,
            charset=self.charset,
            authorities={**self.code_systems, **self.authorities},
            default_authority=self.default_authority,
            overrides=self.overrides,
        )


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
    mandated_reporting: bool = False
    """True for an agency to which the jurisdiction's reporting list makes disclosure a duty."""


class Settings(Section):
    """The top level of the file."""

    name: Name = "node"
    """Name of the node in logs, metrics and the audit chain."""
    var: Path = Path("var")
    """Where all state lives: remove it and the node is new."""
    database: str = Field(default="", pattern=r"^(|sqlite:///.+|postgresql(\+psycopg)?://.+)$")
    """SQLAlchemy URL, `sqlite:///` or `postgresql+psycopg://`; empty: SQLite in `var/hie.db`."""
    jurisdiction: str = "us-opt-out"
    """Name of a shipped policy, or the path of a policy file."""
    http: Http = Http()
    """The HTTP server."""
    workers: Workers = Workers()
    """Sizes of the node."""
    directory: Path = Path()
    """Where relative paths start: always the folder of the configuration file, whatever stands here."""
    participants: tuple[Participant, ...] = ()
    """Who takes part."""
    feeds: tuple[Feed, ...] = ()
    """What comes in."""
    subscribers: tuple[Subscriber, ...] = ()
    """What goes out."""

    @property
    def hash(self) -> str:
        """16 hex digits over everything that decides about a message."""
        return hashlib.sha256(
            orjson.dumps(self.model_dump(mode="json", exclude={"var", "directory"}), option=orjson.OPT_SORT_KEYS)
        ).hexdigest()[:16]

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.var / 'hie.db'}"

    @property
    def policy(self) -> str | Path:
        """The shipped policy's name, or the path of the site's."""
        beside = self.directory / self.jurisdiction
        return beside if beside.suffix in (".yaml", ".yml") else self.jurisdiction

    def participant(self, name: str) -> Participant:
        return next(p for p in self.participants if p.name == name)


def load(file: Path) -> Settings:
    """Reads and checks a configuration. Raises ConfigurationError for the first thing wrong; `problems` lists all."""
    settings, found = problems(file)
    if found:
        raise found[0]
    assert settings is not None
    return settings


def problems(file: Path) -> tuple[Settings | None, list[ConfigurationError]]:
    """The settings (None where they cannot be built) and everything wrong with them, in file order."""
    try:
        document = with_includes(file)
    except ConfigurationError as error:
        return None, [error]
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        return None, [_explain(e, document, Settings) for e in error.errors()]
    settings = settings.model_copy(update={"var": _beside(file, settings.var), "directory": file.parent.resolve()})
    return settings, _cross_check(settings, document, file)


def _beside(file: Path, path: Path) -> Path:
    return path if path.is_absolute() else (file.parent / path).resolve()


def _explain(
    error: Any, document: yamlfile.Document, model: type[BaseModel], prefix: tuple[Any, ...] = ()
) -> ConfigurationError:
    path = (*prefix, *error["loc"])
    file, line = document.position(path)
    name = ".".join(str(p) for p in path)
    if error["type"] == "extra_forbidden":
        valid = _fields(model, error["loc"][:-1])
        nearest = get_close_matches(str(path[-1]), valid, 1, 0.5)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"one of {', '.join(valid)}"
        return ConfigurationError(f"unknown key {name!r}", file=file, line=line, code="unknown-key", hint=hint)
    if error["type"] == "missing":
        return ConfigurationError(f"{name!r} is missing", file=file, line=line, code="missing-key")
    words = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    return ConfigurationError(f"{name}: {words}", file=file, line=line, code="bad-value")


_WORDS = {
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_type": "must be a text",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "bool_parsing": "must be true or false",
}
"""What pydantic's messages mean to somebody who writes YAML."""


def _fields(model: Any, path: tuple[Any, ...]) -> list[str]:
    """Names valid at `path` inside `model`."""
    for step in path:
        if isinstance(step, int):
            continue
        annotation = model.model_fields[step].annotation
        arguments = [a for a in (annotation, *getattr(annotation, "__args__", ())) if isinstance(a, type)]
        model = next((a for a in arguments if issubclass(a, BaseModel)), model)
    return list(model.model_fields)


def _cross_check(settings: Settings, document: yamlfile.Document, file: Path) -> list[ConfigurationError]:
    found: list[ConfigurationError] = []

    def wrong(path: tuple[Any, ...], text: str, code: str, hint: str = "") -> None:
        where = document.position(path)
        found.append(ConfigurationError(text, file=where[0], line=where[1], code=code, hint=hint))

    known = [p.name for p in settings.participants]

    def expect_participant(path: tuple[Any, ...], name: str | None) -> None:
        if name is not None and name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f"did you mean {near[0]!r}?" if near else ""
            wrong(path, f"no participant is called {name!r}", "unknown-participant", hint)

    for section in ("participants", "feeds", "subscribers"):
        seen: set[str] = set()
        for i, item in enumerate(getattr(settings, section)):
            if item.name in seen:
                wrong((section, i, "name"), f"{item.name!r} stands twice among the {section}", "duplicate-name")
            seen.add(item.name)
    for i, participant in enumerate(settings.participants):
        expect_participant(("participants", i, "part_of"), participant.part_of)
    for i, feed in enumerate(settings.feeds):
        expect_participant(("feeds", i, "participant"), feed.participant)
        if feed.format not in (known_formats := registry.formats()):
            text = f"no adapter decodes {feed.format!r}"
            wrong(("feeds", i, "format"), text, "unknown-format", f"one of {', '.join(known_formats)}")
        if feed.kind != "http":
            found += _adapter_problems("sources", feed.source, ("feeds", i, "source"), document)
        elif extra := sorted(set(feed.source) - {"kind"}):
            wrong(
                ("feeds", i, "source", extra[0]),
                f"unknown key {extra[0]!r}",
                "unknown-key",
                "an http feed has only `kind`",
            )
    for i, subscriber in enumerate(settings.subscribers):
        expect_participant(("subscribers", i, "participant"), subscriber.participant)
        found += _adapter_problems("sinks", subscriber.sink, ("subscribers", i, "sink"), document)
        try:
            registry.named("encoders", subscriber.encoder)
        except ConfigurationError as error:
            wrong(("subscribers", i, "encoder"), error.text, error.code, error.hint)
        for j, subscription in enumerate(subscriber.subscriptions):
            for name in subscription.sources:
                expect_participant(("subscribers", i, "subscriptions", j, "sources"), name)
            if subscription.roster is not None and not _beside(file, subscription.roster).is_file():
                wrong(("subscribers", i, "subscriptions", j, "roster"), "the roster file does not exist", "no-roster")
    for path, text, code, hint in contradictions(settings):
        wrong(path, text, code, hint)
    return found


def _adapter_problems(
    section: str, options: dict[str, Any], path: tuple[Any, ...], document: yamlfile.Document
) -> list[ConfigurationError]:
    where = document.position(path)
    try:
        adapter_settings(section, options)
    except ValidationError as error:
        model = registry.named(section, str(options.get("kind", "")), "settings")
        return [_explain(e, document, model, path) for e in error.errors()]
    except ConfigurationError as error:
        return [ConfigurationError(error.text, file=where[0], line=where[1], code=error.code, hint=error.hint)]
    return []


def adapter_settings(section: str, options: dict[str, Any]) -> Any:
    """The typed settings of a source or sink from its mapping. Raises ConfigurationError or pydantic's ValidationError."""
    model = registry.named(section, str(options.get("kind", "")), "settings")
    return model.model_validate({k: v for k, v in options.items() if k != "kind"})
