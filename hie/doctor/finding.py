"""One thing that was looked at, and how it is. Neither secrets nor patient data: names, numbers, codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    level: Level
    code: str
    """Stable; docs/operate/doctor.md has each."""
    what: str
    todo: str = ""


def ok(code: str, what: str) -> Finding:
    return Finding(Level.OK, code, what)


def warn(code: str, what: str, todo: str) -> Finding:
    return Finding(Level.WARN, code, what, todo)


def fail(code: str, what: str, todo: str) -> Finding:
    return Finding(Level.FAIL, code, what, todo)
