"""What the fax adapter would do with a folder of faxes, against a list of known patients. Nothing is filed.

hie fax preview --inbox faxes/ --roster roster.jsonl --out preview.jsonl
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hie.errors import ConfigurationError
from hie.registry import manifests

_PICTURES = {".tif", ".tiff", ".pdf"}


def configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    preview = actions.add_parser(
        "preview", help="one JSON line a fax: documents, patient, facts and what would be done"
    )
    preview.add_argument("--inbox", required=True, type=Path, help="folder of FAX_ID.txt, pages parted by form feeds")
    preview.add_argument("--roster", required=True, type=Path, help="known patients, one JSON object a line")
    preview.add_argument("--out", required=True, type=Path, help="where the lines go")


def run(arguments: argparse.Namespace) -> int:
    if not arguments.inbox.is_dir():
        raise ConfigurationError("the inbox is not a folder", code="inbox", hint="give a folder of FAX_ID.txt")
    roster = _roster(arguments.roster)
    preview = manifests()["fax"].part("preview", "run")
    files = sorted((f for f in arguments.inbox.iterdir() if f.suffix == ".txt"), key=_received)
    try:
        with arguments.out.open("w", encoding="utf-8") as out:
            for line in preview(((f.stem, f.read_bytes()) for f in files), roster):
                out.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        place = str(error.filename or arguments.out)
        raise ConfigurationError((error.strerror or "no access").lower(), file=place, code="unreadable") from None
    skipped = sum(f.suffix.lower() in _PICTURES for f in arguments.inbox.iterdir())
    if skipped:
        print(f"hie: {skipped} pictures were not read: OCR is not part of this installation", file=sys.stderr)
    return 1 if skipped else 0


def _roster(path: Path) -> list[dict[str, Any]]:
    try:
        return list(_rows(path))
    except (OSError, UnicodeDecodeError):
        raise ConfigurationError("the roster cannot be read as text", file=str(path), code="roster") from None


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict) or "patient_id" not in row:
            raise ConfigurationError("not a patient with patient_id", file=str(path), line=number, code="roster")
        yield row


def _received(file: Path) -> tuple[str, str]:
    """Order of receipt from the sidecar, then the name."""
    sidecar = file.with_suffix(".json")
    if sidecar.is_file():
        try:
            found = json.loads(sidecar.read_text("utf-8"))
            return str(found.get("received") or ""), file.name
        except (ValueError, AttributeError):
            pass
    return "", file.name
