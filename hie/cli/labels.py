"""Which sensitivity labels a resource earns. Pure: no store, no network.

FILE.ndjson holds one FHIR R4 resource a line. For each, one line of JSON in the same order:
{"id", "labels": [{"code", "cause"}]}; an empty list where it earns none.

  hie labels resources.ndjson
  hie labels --rules site-rules.yaml resources.ndjson

Exit: 0 all read, 1 some lines are no resource, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import orjson

from hie.codes import security
from hie.errors import ConfigurationError

CATEGORIES = frozenset(("ETH", "ETHUD", "OPIOIDUD", "PSY", "HIV", "SEX", "STD", "PREGNANT", "SDV", "GDIS"))
_WHOLE = {
    "SUD": "ETH",
    "MH": "PSY",
    "VIO": "SDV",
    "SICKLE": "GDIS",
    "SCA": "GDIS",
    "PSYTHPN": "PSY",
    "42CFRPart2": "ETH",
}
"""Labels of senders that say the same as one of the categories."""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "file", type=Path, metavar="FILE.ndjson", help="one FHIR R4 resource a line; - is standard input"
    )
    parser.add_argument(
        "--rules", type=Path, action="append", default=[], metavar="FILE", help="label rules of the site"
    )
    parser.add_argument(
        "--source-type", action="append", default=[], metavar="TYPE", help="type of the sender, e.g. part2-programme"
    )


def run(arguments: argparse.Namespace) -> int:
    from hie.labels.label import LabelContext, label
    from hie.labels.rules import shipped

    try:
        raw = sys.stdin.buffer.read() if str(arguments.file) == "-" else arguments.file.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"cannot be read: {type(error).__name__}", file=str(arguments.file), code="unreadable"
        ) from None
    context = LabelContext(frozenset(arguments.source_type), shipped(*arguments.rules))
    refused = 0
    for line in raw.splitlines():
        if not line.strip():
            continue
        resource = _resource(line)
        refused += resource is None
        labels: list[dict[str, str]] = []
        if resource is not None:
            [given] = label([{"resourceType": "", **resource}], context).values()
            labels = _earned(given)
            if not given:
                refused += 1
        id = resource.get("id") if resource is not None else None
        sys.stdout.buffer.write(orjson.dumps({"id": id, "labels": labels}) + b"\n")
    sys.stdout.buffer.flush()
    return 1 if refused else 0


def _resource(line: bytes) -> dict[str, Any] | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) and isinstance(found.get("resourceType"), str) else None


def _earned(given: Any) -> list[dict[str, str]]:
    """The sensitivities among the labels, each with its category beside it."""
    found: dict[str, str] = {}
    for one in given:
        if one.system not in (security.ACT_CODE, ""):
            continue
        code = _WHOLE.get(one.code, one.code)
        if code not in CATEGORIES:
            continue
        found.setdefault(code, one.cause)
        whole = security.PARENTS.get(code, "")
        if whole in CATEGORIES:
            found.setdefault(whole, one.cause)
    return [{"code": code, "cause": cause} for code, cause in sorted(found.items())]
