"""A site's conformance profile: a YAML file that an interface analyst writes beside the specification of the interface.

profile: north-lab
messages: [ORU^R01]
segments:
  PV1: {usage: R, max: 1}
  NTE: {usage: X}
fields:
  PID-3: {usage: R, max: 3}
  PID-3.5: {usage: R, values: [MR, SS]}
  OBX-5: {usage: R, when: OBX-11 not in X}
"""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from hie import yamlfile
from hie.conformance import Place, Predicate, Profile, Rule, Severity
from hie.errors import ConfigurationError
from hie.spelling import meant

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:-(\d{1,3})(?:\.(\d{1,3})(?:\.(\d{1,3}))?)?)?\Z")
_PREDICATE = re.compile(r"(\S+)\s+(present|absent|not in|in|=|!=)\s*(.*)\Z")
_OPERATORS = {"=": "in", "!=": "not in"}


class _Asked(BaseModel):
    """What may stand behind a segment or a field."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    usage: str = Field("O", pattern=r"^(R|RE|O|C|X)$")
    min: int = Field(0, ge=0)
    max: int | None = Field(None, ge=0)
    length: int | None = Field(None, ge=1)
    values: tuple[str, ...] = ()
    pattern: str = ""
    when: str = ""
    level: Severity = Severity.ERROR
    hint: str = ""

    @field_validator("max", mode="before")
    @classmethod
    def star(cls, value: Any) -> Any:
        return None if value == "*" else value

    @field_validator("pattern")
    @classmethod
    def compiles(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error:
            raise ValueError("is no regular expression") from None
        return value


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    profile: str = Field(min_length=1)
    messages: tuple[str, ...] = ()
    version: str = ""
    standard: bool = True
    segments: dict[str, _Asked] = {}
    fields: dict[str, _Asked] = {}


def load(file: Path) -> Profile:
    """Raises ConfigurationError with file, line and the nearest valid name."""
    document = yamlfile.read(file)
    try:
        found = _File.model_validate(document.value)
    except ValidationError as error:
        raise _refusal(document, error.errors()[0]) from None
    rules = []
    for section, asked in (("segments", found.segments), ("fields", found.fields)):
        for name, one in asked.items():
            at, line = document.position((section, name))
            rules.append(_rule(name, section == "fields", one, at, line))
    return Profile(found.profile, tuple(rules), frozenset(found.messages), found.version, found.standard)


def digest(file: Path) -> str:
    """Of the file's bytes: a process that decodes keeps a profile until this changes."""
    return sha256(file.read_bytes()).hexdigest()


def _rule(name: str, field: bool, asked: _Asked, file: str, line: int) -> Rule:
    place = place_of(name)
    if place is None or bool(place.field) is not field:
        form = "PID-3, PID-3.5 or PID-3.4.2" if field else "PID"
        raise ConfigurationError(
            f"{name!r} is no such place", file=file, line=line, code="bad-place", hint=f"write {form}"
        )
    when = None
    if asked.when:
        when = _predicate(asked.when)
        if when is None:
            hint = "write `OBX-2 in NM, SN`, `OBX-11 != X`, `PID-30 present` or `PID-29 absent`"
            raise ConfigurationError("`when` is no predicate", file=file, line=line, code="bad-predicate", hint=hint)
    if asked.usage == "C" and when is None:
        hint = "usage C is a required value under the predicate in `when`"
        raise ConfigurationError("usage C needs `when`", file=file, line=line, code="bad-predicate", hint=hint)
    if asked.max is not None and asked.max < asked.min:
        raise ConfigurationError("`max` is smaller than `min`", file=file, line=line, code="bad-cardinality")
    return Rule(
        place,
        f"{Path(file).name}:{line}",
        "R" if asked.usage == "C" else asked.usage,
        asked.min,
        asked.max,
        asked.length,
        frozenset(asked.values),
        asked.pattern,
        when,
        asked.level,
        asked.hint,
    )


def place_of(name: str) -> Place | None:
    found = _PLACE.match(name)
    return Place(found[1], *(int(n or 0) for n in found.groups()[1:])) if found else None


def _predicate(text: str) -> Predicate | None:
    found = _PREDICATE.match(text.strip())
    place = place_of(found[1]) if found else None
    if found is None or place is None or not place.field:
        return None
    operator = _OPERATORS.get(found[2], found[2])
    values = frozenset(word for word in (each.strip() for each in found[3].split(",")) if word)
    if bool(values) == (operator in ("present", "absent")):
        return None
    return Predicate(place, operator, values)


def _refusal(document: yamlfile.Document, problem: Any) -> ConfigurationError:
    path = tuple(problem["loc"])
    file, line = document.position(path)
    name = ".".join(str(step) for step in path)
    if not path:
        hint = "write `profile: NAME`, and what is asked under `segments` and `fields`"
        return ConfigurationError("is no profile", file=file, line=line, code="bad-profile", hint=hint)
    if problem["type"] == "extra_forbidden":
        known = (_File if len(path) == 1 else _Asked).model_fields
        return ConfigurationError(
            f"unknown key {path[-1]!r}", file=file, line=line, code="unknown-key", hint=meant(str(path[-1]), known)
        )
    text = problem["msg"].removeprefix("Value error, ")
    return ConfigurationError(f"{name}: {text}", file=file, line=line, code="bad-profile")
