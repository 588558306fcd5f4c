"""Turn messages and documents into FHIR R4: one JSON line each, storing nothing.

Each line has `file`, `index`, `outcome` (decoded or rejected), `resources` (FHIR R4, Provenance among them), `warnings`,
`unmapped` (populated places whose value reached no resource) and `error`. The same input gives the same bytes.

Example:
  hie decode --format hl7v2 admissions/ results.hl7
  hie decode --format ccda --feed north-clinic summary.xml
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from hie.errors import ConfigurationError, HieError, Rejected
from hie.fhir import digits
from hie.fhir.provenance import provenance
from hie.model import FeedContext, Record

MAX_BYTES = 256 * 1024 * 1024
"""A larger file is refused: no feed would have accepted it."""

Decode = Callable[[bytes, FeedContext], Iterator[Record]]


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--format", required=True, metavar="FORMAT", help="hl7v2, ccda, fax or fhir")
    parser.add_argument("--feed", metavar="NAME", help="read with the settings of this feed")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the configuration that names the feed")
    parser.add_argument("paths", nargs="+", type=Path, metavar="PATH", help="files, or folders to walk")


def run(arguments: argparse.Namespace) -> int:
    from hie.registry import decoder

    decode: Decode = decoder(arguments.format, "decode")
    context = feed_context(arguments.feed, arguments.config)
    missing = [path for path in arguments.paths if not path.exists()]
    if missing:
        raise ConfigurationError(f"{missing[0]}: no such file or folder", code="no-such-path")
    out = sys.stdout.buffer
    rejected = False
    for path in walk(arguments.paths):
        rejected |= decode_file(path, decode, context, out)
    out.flush()
    return 1 if rejected else 0


def feed_context(name: str | None, config: Path | None) -> FeedContext:
    """The context of a configured feed; without a name, one that knows nothing of the sender."""
    if name is None:
        return FeedContext()
    if config is None:
        return FeedContext(feed=name)  # no configuration to look it up in: only ids depend on the name
    from hie.cli.configuration import settings_of

    settings = settings_of(config)
    for feed in settings.feeds:
        if feed.name == name:
            return settings.dialects.context(feed.name)
    known = ", ".join(feed.name for feed in settings.feeds)
    raise ConfigurationError(f"no feed is called {name!r}", code="unknown-feed", hint=f"one of {known}")


def walk(paths: Iterable[Path]) -> Iterator[Path]:
    """Files in a fixed order; hidden files of folders are left out."""
    for path in paths:
        if path.is_dir():
            for folder, folders, names in os.walk(path):
                folders[:] = sorted(f for f in folders if not f.startswith("."))
                yield from (Path(folder, name) for name in sorted(names) if not name.startswith("."))
        else:
            yield path


def decode_file(path: Path, decode: Decode, context: FeedContext, out: BinaryIO) -> bool:
    """Writes the lines of one file. True if anything in it was rejected."""
    index = 0
    try:
        if path.stat().st_size > MAX_BYTES:
            raise Rejected("the file is too large", code="too-large")
        with path.open("rb") as opened:  # a device has no size and no end
            raw = opened.read(MAX_BYTES + 1)
        if len(raw) > MAX_BYTES:
            raise Rejected("the file is too large", code="too-large")
        digest = sha256(raw).hexdigest()
        for record in decode(raw, context):
            write(out, decoded_line(path, index, record, digest))
            index += 1
        if index == 0:
            raise Rejected("nothing in this file could be read", code="empty")
        return False
    except HieError as error:
        write(out, rejected_line(path, index, error))
    except OSError as error:
        write(out, rejected_line(path, index, Rejected(os.strerror(error.errno or 0), code="unreadable")))
    except Exception:  # a decoder must not fail; where one does, the file is refused and the next one read
        write(out, rejected_line(path, index, Rejected("the decoder failed on this input", code="internal", ack="AE")))
    return True


def write(out: BinaryIO, line: dict[str, Any]) -> None:
    try:
        out.write(digits.dumps(line) + b"\n")
    except (TypeError, orjson.JSONEncodeError):
        import json  # integers beyond 64 bits

        out.write(json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n")


def decoded_line(path: Path, index: int, record: Record, digest: str) -> dict[str, Any]:
    return {
        "file": str(path),
        "index": index,
        "outcome": "decoded",
        "resources": [*record.resources, *provenance(record, digest)],
        "warnings": [{"code": w.code, "where": w.where, "text": w.text} for w in record.warnings],
        "unmapped": [{"where": u.where, "count": u.times} for u in record.unmapped],
        "error": None,
    }


def rejected_line(path: Path, index: int, error: HieError) -> dict[str, Any]:
    text = f"{error.text} ({error.hint})" if error.hint else error.text
    return {
        "file": str(path),
        "index": index,
        "outcome": "rejected",
        "resources": [],
        "warnings": [],
        "unmapped": [],
        "error": {"code": error.code, "text": text, "ack": error.ack if isinstance(error, Rejected) else None},
    }
