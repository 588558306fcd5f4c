"""Codes of a record that nobody outside the sender's walls understands: the work list of a site's analysts.

A concept counts where none of its codings is of a system that hie knows: a local code beside a standard one is translated
already. What stands in the place of a code need not be one: the list is read by people who may not see content and stays when
the message is gone, so only what looks like a code is written down. That is: at most 40 printable ASCII characters without a
blank or an @, and neither of the form of a social security or telephone number nor of a date. A name typed into the code of a
test would need a second word or a comma to be told from a mnemonic; both keep it out. What is kept out counts under `?`, so
that somebody sees it in the message itself, where looking is written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hie.codes.rows import NO_SYSTEM
from hie.codes.systems import OID_TO_URI, V2_NAME_TO_URI
from hie.model import LocalCode, Resource, Unmapped

UNFIT = "?"
"""Stands for what does not look like a code."""
LONGEST_SYSTEM = 200
_CODE = re.compile(r"[!-+\--?A-~]{1,40}\Z")
_ORDINAL = re.compile(r"\[[^\]]*\]")
_PERSONAL = re.compile(
    r"\d{3}-\d\d-\d{4}\Z|\(?\d{3}\)?[-.]\d{3}[-.]\d{4}\Z|(19|20)\d\d-?\d\d-?\d\d(\d{4,6})?\Z|\d{1,2}/\d{1,2}/\d{2,4}\Z"
)
_KNOWN = frozenset(OID_TO_URI.values()) | frozenset(V2_NAME_TO_URI.values())
_PUBLIC = (
    "http://terminology.hl7.org/",
    "http://hl7.org/",
    "http://dicom.nema.org/",
    "urn:ihe:",
    "urn:iso:",
    "urn:ietf:",
)
_PASSED = frozenset(
    ("identifier", "extension", "meta", "text", "contained", "telecom", "name", "address", "note", "tag")
)
"""Elements in which a local code is no question for an analyst: kinds of numbers, and what holds no concept."""
_standard: dict[str, bool] = dict.fromkeys(_KNOWN, True)
_MOST = 5_000


def standard(system: str) -> bool:
    """Whether hie knows the system: not a site's own, and not an OID that it has no name for."""
    found = _standard.get(system)
    if found is None:
        if len(_standard) > _MOST:
            _standard.clear()
            _standard.update(dict.fromkeys(_KNOWN, True))
        found = _standard[system] = system.startswith(_PUBLIC)
    return found


def untranslated(resources: Sequence[Resource], local: Iterable[LocalCode] = ()) -> tuple[tuple[str, str], ...]:
    """(system, code), sorted, each once. A code without a system stands under the table or field that `local` names for it,
    else under `-`."""
    found: set[tuple[str, str]] = set()
    for resource in resources:
        _look(resource, found)
        kind = resource.get("class")
        if type(kind) is dict and not standard(kind.get("system", "")):
            found.add((kind.get("system", ""), kind.get("code", "")))
    places: dict[str, list[str]] = {}
    for each in local:
        if each.dropped:
            found.add((each.where, each.code))
        else:
            places.setdefault(each.code, []).append(each.where)
    if not found:
        return ()
    listed: set[tuple[str, str]] = set()
    for system, code in found:
        if code:
            for where in [system] if system else places.get(code) or (NO_SYSTEM,):
                fits = len(where) <= LONGEST_SYSTEM and where.isascii() and where.isprintable()
                listed.add((where if fits else UNFIT, _fit(code)))
    return tuple(sorted(listed))


def places(unmapped: Sequence[Unmapped]) -> tuple[tuple[str, int], ...]:
    """Where values reached no resource, without ordinals (`OBX[7]-5` and `OBX[9]-5` are `OBX-5`), with their number."""
    found: dict[str, int] = {}
    for where, times in unmapped:
        place = _ORDINAL.sub("", where)[-LONGEST_SYSTEM:] if "[" in where else where[-LONGEST_SYSTEM:]
        found[place] = found.get(place, 0) + times
    return tuple(sorted(found.items()))


def _fit(code: str) -> str:
    return code if _CODE.match(code) and not _PERSONAL.match(code) else UNFIT


def _look(node: Mapping[str, Any], found: set[tuple[str, str]]) -> None:
    for key, value in node.items():
        kind = type(value)
        if kind is dict:
            if "coding" in value:
                _concept(value["coding"], found)
            elif "reference" not in value and "value" not in value and key not in _PASSED:
                _look(value, found)
        elif kind is list and key not in _PASSED:
            for item in value:
                if type(item) is dict:
                    if "coding" in item:
                        _concept(item["coding"], found)
                    elif "reference" not in item:
                        _look(item, found)


def _concept(codings: Any, found: set[tuple[str, str]]) -> None:
    for coding in codings:
        if _standard.get(coding.get("system", "")) or standard(coding.get("system", "")):
            return
    for coding in codings:
        found.add((coding.get("system", ""), coding.get("code", "")))
