"""One message against the standard and its feed's profile, in the process that decodes. Pure."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from hie import profile, registry
from hie.conformance import Finding, Profile, Report, Severity
from hie.errors import HieError, Rejected
from hie.model import FeedContext

_ERR = {
    "segment-missing": 100,
    "field-missing": 101,
    "component-missing": 101,
    "value-form": 102,
    "value-not-allowed": 103,
}
"""Finding -> condition of HL7 table 0357; 207 where it has none of its own."""


class Examination(NamedTuple):
    """What a process that decodes is asked beside the reading, while nothing else waits."""

    format: str
    raw: bytes
    charset: str | None
    profile: Path | None


def examine(asked: Examination) -> tuple[Report, ...]:
    """A report for each message in the bytes; none where nothing can be read. Never raises."""
    try:
        check = registry.examiner(asked.format)
        found = _profile(asked.profile) if asked.profile else None
        return tuple(check(asked.raw, asked.charset, found)) if check else ()
    except HieError:
        return ()


def require(format: str, raw: bytes, context: FeedContext) -> None:
    """For a feed that is strict. Raises Rejected with the place of the first error against the site's own rules: the base
    standard alone refuses most of what is really sent."""
    assert context.required is not None
    check: Any = registry.examiner(format)
    own = Profile(
        context.required.name,
        context.required.rules,
        context.required.messages,
        context.required.version,
        standard=False,
    )
    errors = [
        one for report in check(raw, context.charset, own) for one in report.findings if one.severity is Severity.ERROR
    ]
    if errors:
        raise refusal(errors, own.name)


def refusal(errors: list[Finding], name: str) -> Rejected:
    first = errors[0]
    more = f", and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Rejected(
        f"breaks the profile {name}: {first.text} at {first.where} ({first.rule}){more}",
        code="not-conformant",
        hint="mend it at the sender, or change the profile and release the message",
        ack="AE",
        err=_ERR.get(first.code, 207),
        where=first.where,
    )


@lru_cache(maxsize=64)
def _loaded(file: Path, changed: int, size: int) -> Profile:
    return profile.load(file)


def _profile(file: Path) -> Profile:
    """Read again when the file changes."""
    at = file.stat()
    return _loaded(file, at.st_mtime_ns, at.st_size)
