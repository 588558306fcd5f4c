"""A configuration that changes under a node that runs: looked at completely first, and refused as a whole where anything
is wrong. What came of it is told in one small file under the state directory, for `hie reload`, metrics and doctor."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from hie.addresses import addresses, taken
from hie.audit.key import write_private
from hie.contradictions import Found
from hie.doctor import certificates
from hie.errors import ConfigurationError
from hie.examination import examine
from hie.settings import Settings

STATE = "run/configuration.json"
"""Under the state directory."""
FIXED = ("name", "var", "database")
FIXED_SIZES = ("engines", "memory", "backlog")
UNUSABLE = ("certificate-unreadable", "key-unreadable", "key-does-not-fit")


class Refused(ConfigurationError):
    """The node goes on with what it has. `errors` are all that is wrong."""

    code = "reload-refused"

    def __init__(self, errors: list[ConfigurationError]) -> None:
        super().__init__("the configuration was not taken on", hint="; ".join(map(str, errors)))
        self.errors = errors


def candidate(file: Path, running: Settings) -> Settings:
    """The configuration of the file, fit to take the place of `running`. Raises Refused."""
    found = examine(file)
    if not found.errors:
        settings = found.accepted()
        found.errors.extend(found.reading.at(one) for one in _obstacles(running, settings))
    if found.errors:
        raise Refused(found.errors)
    return found.accepted()


def _obstacles(running: Settings, settings: Settings) -> Iterator[Found]:
    """What stands in the way of taking it on here and now."""
    for name in FIXED:
        if getattr(settings, name) != getattr(running, name):
            yield (name,), f"{name} changes with a restart only", "needs-restart", "stop the node and start it"
    for name in FIXED_SIZES:
        if getattr(settings.workers, name) != getattr(running.workers, name):
            text = f"workers.{name} changes with a restart only"
            yield ("workers", name), text, "needs-restart", "stop the node and start it"
    ours = {address.port for address in addresses(running)}
    for address in addresses(settings):
        if address.port not in ours and (why := taken(address.host, address.port)):
            text = f"{address.who} cannot listen on {address.host}:{address.port}: {why}"
            yield address.place, text, "address-in-use", "another program has the port"
    for finding in certificates.certificates(settings):
        if finding.code in UNUSABLE:
            yield (), finding.what, finding.code, finding.todo


def tell(
    var: Path, file: Path | None, settings: Settings, errors: list[ConfigurationError], changed: dict[str, Any]
) -> None:
    """`settings` are those in force now; `changed` is what `hie reload` says of a success."""
    before = told(var)
    now = time.time()
    same = before.get("hash") == settings.hash
    said = {
        "attempt": before.get("attempt", -1) + 1,
        "at": now,
        "success": not errors,
        "errors": [{"file": e.file, "line": e.line, "code": e.code, "text": e.text, "hint": e.hint} for e in errors],
        "file": str(file.resolve()) if file is not None else "",
        "hash": settings.hash,
        "loaded_at": before["loaded_at"] if same and "loaded_at" in before else now,
        "changed": changed,
    }
    write_private(var / STATE, orjson.dumps(said))


def told(var: Path) -> dict[str, Any]:
    """What the node told last; empty where it never did."""
    try:
        found: dict[str, Any] = orjson.loads((var / STATE).read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return found
