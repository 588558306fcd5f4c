"""What is written into the audit chain: a bounded list of kinds, and bodies of ids, codes and counts.

No body may hold content of a record. Keys come from `FIELDS`; a text value that does not look like an id or a code is
replaced by `MASKED`, because an event with a gap is worth more than an event that was refused or one that leaks.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import orjson

MASKED = "(masked)"

Value: TypeAlias = str | int | float | bool | None
Body: TypeAlias = Mapping[str, "Value | list[str] | tuple[str, ...] | Mapping[str, int]"]


class Kind(StrEnum):
    """Every kind of event. Adding one means adding its heading to docs/operate/audit.md."""

    RECEIVED = "message-received"
    """A message was taken from a feed and is on disk."""
    PROCESSED = "message-processed"
    """A message reached its outcome: routed, duplicate, quarantined, rejected."""
    MATCH = "match"
    """A registration was linked to a person, made a new one, or is waiting for a steward; links undone by people too."""
    LABEL_CHANGE = "label-change"
    """A sensitivity label was set, raised, or (by a person) lowered."""
    DECISION = "decision"
    """Consent was decided for a recipient: permit, deny, redact or withhold, with the rule and the versions."""
    DISCLOSURE_BEGUN = "disclosure-begun"
    """The disclosure record is committed and the bytes may leave now."""
    DISCLOSURE_ENDED = "disclosure-ended"
    """What became of it: delivered, delivered-redacted, unknown, failed."""
    DELIVERY_FAILED = "delivery-failed"
    """An attempt failed or a delivery was given up."""
    QUERY = "query"
    """Somebody read, searched, counted or matched. Names of search parameters, never their values."""
    BREAK_GLASS = "break-glass"
    """Emergency access was opened, used, ended or reviewed."""
    CONSENT_CHANGE = "consent-change"
    """A consent was recorded, replaced, revoked, or became effective."""
    EXPORT = "export"
    """A patient's whole record, or a set of records, was handed out."""
    ADMINISTRATION = "administration"
    """Users, tokens, subscribers, queues or policies were changed by a person."""
    LOGIN = "login"
    """Somebody logged in or out."""
    LOGIN_FAILED = "login-failed"
    """Somebody did not manage to log in."""
    LOG_READ = "log-read"
    """The audit log or an accounting of disclosures was read."""
    CONFIGURATION = "configuration"
    """A configuration was loaded."""
    START = "start"
    """The writer of this chain started."""
    STOP = "stop"
    """The writer of this chain stopped in order. A start without a stop before it follows a crash."""
    FOREIGN_WRITE = "foreign-write"
    """The writer found the head of its chain changed by somebody else while it was running."""


FIELDS = frozenset(
    {
        # what it is about
        "message", "index", "feed", "participant", "subscriber", "eid", "record", "records", "patient", "resource",
        "resources", "delivery", "disclosure", "key", "replaces", "work_item", "format", "event", "sha256", "sha256s",
        # what was decided
        "action", "outcome", "decision", "reason", "rule", "rules", "exception", "purpose", "labels", "released",
        "withheld", "policy", "consent", "consents", "epoch", "weight", "candidates", "obligations", "confidence",
        # how and by whom
        "state", "attempt", "answer", "address", "parameters", "count", "returned", "view", "roles", "name", "kind",
        "configuration", "version", "session", "second", "from", "to", "until", "seconds", "chain", "seq", "expected",
        "found", "process", "command", "role", "code", "author", "diff", "seal",
    }
)  # fmt: skip

_CODE = re.compile(r"[A-Za-z0-9:][A-Za-z0-9._:/|^@*+=#\-]{0,199}\Z|\Z")


class Event(NamedTuple):
    """One event. `actor` is who caused it: `user:alice`, `client:north-ehr`, `feed:north`, `node`, `cli:root`."""

    kind: Kind
    actor: str
    body: bytes
    """Canonical JSON."""
    at: float
    """Seconds since the epoch."""


@lru_cache(maxsize=16384)
def _clean(text: str) -> str:
    return text if _CODE.match(text) else MASKED


def event(kind: Kind, actor: str, body: Body, at: float | None = None) -> Event:
    """An event with its body made canonical. Raises ValueError for a key outside FIELDS: that is a mistake in the code."""
    clean: dict[str, object] = {}
    for key, value in body.items():
        if key not in FIELDS:
            raise ValueError(f"{key!r} is no field of audit events")
        if isinstance(value, str):
            # a policy's version is a name of the site's own: `us-opt-out 2026.1 3f2a...`
            clean[key] = _clean(value.replace(" ", "/")) if key == "policy" else _clean(value)
        elif value is None or isinstance(value, (int, float)):
            clean[key] = value
        elif isinstance(value, Mapping):
            clean[key] = {_clean(k): int(v) for k, v in value.items()}
        else:
            clean[key] = [_clean(str(v)) for v in value]
    text = orjson.dumps(clean, option=orjson.OPT_SORT_KEYS)
    return Event(kind, _clean(actor)[:128], text, time.time() if at is None else float(at))
