"""The node's configuration: one YAML file and the files it includes, typed, checked, with file and line in every error.

The sections are in hie.sections. An unknown key is an error that names the nearest valid one.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from pydantic import BaseModel, Field, PrivateAttr, ValidationError

from hie import profile, referenced, registry, yamlfile
from hie.contradictions import Found, contradictions
from hie.dialects import Dialects, dialects
from hie.errors import ConfigurationError
from hie.includes import with_includes
from hie.sections import NAME, Feed, Http, Name, Participant, Section, Subscriber, Workers
from hie.spelling import meant

DATABASE = r"^(|sqlite:///.+|postgresql(\+psycopg)?://.+)$"


class Settings(Section):
    """The top level of the file."""

    name: Name = "node"
    """Name of the node in logs, metrics and the audit chain."""
    var: Path = Path("var")
    """Where all state lives: remove it and the node is new."""
    database: str = Field(default="", pattern=DATABASE)
    """SQLAlchemy URL, `sqlite:///` or `postgresql+psycopg://`; empty: SQLite in `var/hie.db`."""
    jurisdiction: str = "us-opt-out"
    """Name of a shipped policy, or the path of a policy file."""
    http: Http = Http()
    """The HTTP server."""
    workers: Workers = Workers()
    """Sizes of the node."""
    directory: Path = Path()
    """Where relative paths start: always the folder of the configuration file, whatever stands here."""
    authorities: dict[str, str] = Field(default_factory=dict)
    """Assigning authority or facility as sent -> URI, for all feeds; what a feed says itself goes before."""
    code_systems: dict[str, str] = Field(default_factory=dict)
    """Local coding system names or OIDs as sent -> URI, for all feeds; what a feed says itself goes before."""
    codes: tuple[Path, ...] = ()
    """Code tables of the whole site: sheets (`.tsv`, `.csv`) and FHIR ConceptMaps (`.json`)."""
    participants: tuple[Participant, ...] = ()
    """Who takes part."""
    feeds: tuple[Feed, ...] = ()
    """What comes in."""
    subscribers: tuple[Subscriber, ...] = ()
    """What goes out."""
    _digests: dict[referenced.Place, str] = PrivateAttr(default_factory=dict)
    _dialects: Dialects | None = PrivateAttr(default=None)

    @property
    def hash(self) -> str:
        """16 hex digits over everything that decides about a message: of a file it refers to, what the file held when the
        configuration was read, wherever it lies."""
        body = self.model_dump(mode="json", exclude={"var", "directory"})
        for place, digest in self._digests.items():
            referenced.put(body, place, digest)
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]

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

    @property
    def dialects(self) -> Dialects:
        """How each feed is to be read, with what its code tables held when the configuration was read."""
        if self._dialects is None:
            self._dialects = dialects(self)
        return self._dialects

    def digest(self, place: referenced.Place) -> str:
        """Of the file that the setting at `place` names, in hex."""
        return self._digests[place]

    def with_files(self, var: Path, directory: Path) -> Settings:
        """The same where relative paths begin at `directory`, with what the files it refers to hold now."""
        feeds = tuple(
            feed.model_copy(update={"profile": directory / feed.profile}) if feed.profile else feed
            for feed in self.feeds
        )
        placed = self.model_copy(update={"var": var, "directory": directory, "feeds": feeds})
        placed._digests = referenced.digests(placed)
        placed._dialects = dialects(placed)
        return placed


class Reading(NamedTuple):
    """A configuration as far as it could be read. `settings` is None where none can be built."""

    settings: Settings | None
    errors: list[ConfigurationError]
    document: yamlfile.Document

    def at(self, found: Found) -> ConfigurationError:
        """Something found, with the file and the line where it stands."""
        path, text, code, hint = found
        file, line = self.document.position(path)
        return ConfigurationError(text, file=file, line=line, code=code, hint=hint)


def load(file: Path) -> Settings:
    """Reads and checks a configuration. Raises ConfigurationError for the first thing wrong; `problems` lists all."""
    settings, found = problems(file)
    if found:
        raise found[0]
    assert settings is not None
    return settings


def problems(file: Path) -> tuple[Settings | None, list[ConfigurationError]]:
    """The settings (None where they cannot be built) and everything wrong with them, in file order."""
    reading = read(file)
    return reading.settings, reading.errors


def read(file: Path) -> Reading:
    try:
        document = with_includes(file)
    except ConfigurationError as error:
        return Reading(None, [error], yamlfile.Document({}, {}))
    try:
        settings = Settings.model_validate(document.value)
    except ValidationError as error:
        return Reading(None, [_explain(e, document, Settings) for e in error.errors()], document)
    settings = settings.with_files(_beside(file, settings.var), file.parent.resolve())
    reading = Reading(settings, [], document)
    reading.errors.extend(_cross_check(settings, reading, file))
    return reading


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
        hint = meant(str(path[-1]), valid) or f"one of {', '.join(valid)}"
        return ConfigurationError(f"unknown key {name!r}", file=file, line=line, code="unknown-key", hint=hint)
    if error["type"] == "missing":
        return ConfigurationError(f"{name!r} is missing", file=file, line=line, code="missing-key")
    hint = ""
    words = _WORDS.get(error["type"]) or error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch":
        words = _PATTERNS.get(error["ctx"]["pattern"], words)
    elif error["type"] == "literal_error":
        valid = error["ctx"]["expected"].replace(" or ", ", ").replace("'", "").split(", ")
        words, hint = "is none of the words it may be", meant(str(error["input"]), valid)
    return ConfigurationError(f"{name}: {words}", file=file, line=line, code="bad-value", hint=hint)


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
_PATTERNS = {
    NAME: "must be lower-case letters, digits and hyphens, at most 63",
    DATABASE: "must be empty, sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME",
}


def _fields(model: Any, path: tuple[Any, ...]) -> list[str]:
    """Names valid at `path` inside `model`."""
    for step in path:
        if isinstance(step, int):
            continue
        annotation = model.model_fields[step].annotation
        arguments = [a for a in (annotation, *getattr(annotation, "__args__", ())) if isinstance(a, type)]
        model = next((a for a in arguments if issubclass(a, BaseModel)), model)
    return list(model.model_fields)


def _cross_check(settings: Settings, reading: Reading, file: Path) -> list[ConfigurationError]:
    found: list[ConfigurationError] = []
    document = reading.document

    def wrong(path: tuple[Any, ...], text: str, code: str, hint: str = "") -> None:
        found.append(reading.at((path, text, code, hint)))

    known = [p.name for p in settings.participants]

    def expect_participant(path: tuple[Any, ...], name: str | None) -> None:
        if name is not None and name not in known:
            wrong(path, f"no participant is called {name!r}", "unknown-participant", meant(name, known))

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
            wrong(("feeds", i, "format"), text, "unknown-format", meant(feed.format, known_formats))
        if feed.profile is not None:
            try:
                profile.load(feed.profile)
            except ConfigurationError as error:
                found.append(error)
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
    return [*found, *(reading.at(one) for one in contradictions(settings)), *settings.dialects.errors]


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


def adapter_settings(section: str, options: dict[str, Any], directory: Path = Path()) -> Any:
    """The typed settings of a source or sink from its mapping; each `Path` among them that is relative starts at
    `directory`, the configuration file's. Raises ConfigurationError or pydantic's ValidationError."""
    model = registry.named(section, str(options.get("kind", "")), "settings")
    return _from(directory, model.model_validate({k: v for k, v in options.items() if k != "kind"}))


def _from(directory: Path, settings: Any) -> Any:
    changed: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, BaseModel):
            changed[name] = _from(directory, value)
        elif isinstance(value, Path):
            changed[name] = directory / value
    return settings.model_copy(update=changed)
