"""United States addresses -> number, street, unit, ZIP, city; abbreviations after USPS Publication 28, appendix C."""

# ruff: noqa: SIM905 - word lists read better as text
from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from mpi.person import Address
from mpi.text import plain

DIRECTIONS = {
    "NORTH": "N", "SOUTH": "S", "EAST": "E", "WEST": "W", "NORTHEAST": "NE", "NORTHWEST": "NW", "SOUTHEAST": "SE", "SOUTHWEST": "SW",
    "N": "N", "S": "S", "E": "E", "W": "W", "NE": "NE", "NW": "NW", "SE": "SE", "SW": "SW", "NO": "N", "SO": "S",
}  # fmt: skip
TYPES = frozenset(
    "ST STREET STR AVE AVENUE AV AVEN RD ROAD DR DRIVE DRV LN LANE CT COURT CRT BLVD BOULEVARD BOUL PL PLACE WAY WY TER TERRACE TERR CIR CIRCLE "
    "PKWY PARKWAY PKY HWY HIGHWAY SQ SQUARE TRL TRAIL TR ALY ALLEY CV COVE LOOP XING CROSSING PT POINT RUN PATH PIKE ROW TPKE EXPY "
    "CALLE AVENIDA PLZ PLAZA HTS HEIGHTS VLG VILLAGE BND BEND CRES CRESCENT".split()
)
UNITS = frozenset("APT APARTMENT UNIT STE SUITE RM ROOM LOT FL FLOOR BLDG BUILDING TRLR SPC SPACE NO NUM".split())
ORDINALS = {
    "FIRST": "1", "SECOND": "2", "THIRD": "3", "FOURTH": "4", "FIFTH": "5", "SIXTH": "6", "SEVENTH": "7", "EIGHTH": "8", "NINTH": "9",
    "TENTH": "10", "ELEVENTH": "11", "TWELFTH": "12",
}  # fmt: skip
NOWHERE = frozenset(
    "HOMELESS UNKNOWN UNK NONE NA REFUSED TRANSIENT UNDOMICILED SAME SHELTER GENERALDELIVERY NOFIXEDADDRESS NOFIXEDABODE NOADDRESS "
    "NOTGIVEN DECLINED BADADDRESS RETURNEDMAIL UNABLETOOBTAIN X XX XXX HOMELESSSHELTER NOPERMANENTADDRESS STREETS".split()
)
_SPLIT = re.compile(r"[^0-9A-Z#/]+")
_ORDINAL = re.compile(r"^(\d+)(ST|ND|RD|TH)$")
_GLUED_NUMBER = re.compile(r"^(\d+)([A-Z]{3,})$")


class Place(NamedTuple):
    number: str
    street: str
    """Without direction and type: OAK for "North Oak Street"."""
    unit: str
    zip: str
    city: str


@lru_cache(maxsize=50_000)
def _line(street: str, unit: str) -> tuple[str, str, str]:
    text = plain(street).replace("P.O.", "PO").replace("P. O.", "PO").replace("#", " # ")
    tokens = [t for t in _SPLIT.split(text) if t]
    if tokens and tokens[0] == "POBOX":
        tokens[:1] = ["PO", "BOX"]
    if "BOX" in tokens[:3]:
        at = tokens.index("BOX")
        return (tokens[at + 1] if len(tokens) > at + 1 else "", "POBOX", "")
    if tokens:
        glued = _GLUED_NUMBER.match(tokens[0])
        if glued and not _ORDINAL.match(tokens[0]):
            tokens[:1] = [glued[1], glued[2]]
    number = apartment = ""
    body: list[str] = []
    at = 0
    while at < len(tokens):
        token = tokens[at]
        if at and (token == "#" or (token in UNITS and token not in ("NO",) and len(body) > 0)):
            rest = [t for t in tokens[at + 1 :] if t != "#" and t not in UNITS]
            apartment = "".join(rest[:2])
            break
        if not number and not body and token[0].isdigit() and not _ORDINAL.match(token):
            number = token
        elif token != "#":
            body.append(token)
        at += 1
    core = [t for t in body if t not in DIRECTIONS] or body
    while len(core) > 1 and core[-1] in TYPES:
        core = core[:-1]
    core = [ORDINALS.get(t, t) for t in core]
    core = [m[1] if (m := _ORDINAL.match(t)) else t for t in core]
    if unit:
        unit_tokens = [t for t in _SPLIT.split(plain(unit).replace("#", " ")) if t and t not in UNITS]
        apartment = "".join(unit_tokens) or apartment
    return (number.lstrip("0"), "".join(core), apartment.lstrip("0"))


@lru_cache(maxsize=50_000)
def city(raw: str) -> str:
    text = "".join(_SPLIT.split(plain(raw)))
    return "" if text in NOWHERE else text.replace("SAINT", "ST")


def is_junk(street: str) -> bool:
    return "".join(_SPLIT.split(plain(street))) in NOWHERE


def place(address: Address) -> Place | None:
    """None where nothing usable is said."""
    number, street, unit = ("", "", "") if is_junk(address.street) else _line(address.street, address.unit)
    digits = "".join(c for c in address.zip if c.isdigit())
    code = digits[:5] if len(digits) in (5, 9) else digits.zfill(5) if len(digits) == 4 else ""
    if code in ("00000", "99999", "12345"):
        code = ""
    town = city(address.city)
    if not (street or code or town):
        return None
    return Place(number, street, unit, code, town)
