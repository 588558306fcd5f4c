"""The code tables of `tables/codes.tsv`: HL7 v2 table and code -> system and code of FHIR. Read once, at first use."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

THO = "http://terminology.hl7.org/CodeSystem/"

ALIASES = {
    "v3-class": THO + "v3-ActCode",
    "v3-marital": THO + "v3-MaritalStatus",
    "v3-interpretation": THO + "v3-ObservationInterpretation",
    "v3-confidentiality": THO + "v3-Confidentiality",
    "v3-null": THO + "v3-NullFlavor",
    "v3-role": THO + "v3-RoleCode",
    "cdcrec": "urn:oid:2.16.840.1.113883.6.238",
    "participation": THO + "v3-ParticipationType",
    "ucum": "http://unitsofmeasure.org",
    "bcp47": "urn:ietf:bcp:47",
    "absent": THO + "data-absent-reason",
    "fhir": "",
}
"""Column `system` of the table -> URI. `=` means the v2 table itself; `fhir` a code of a required FHIR binding."""


@lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, tuple[str, str]]]:
    found: dict[str, dict[str, tuple[str, str]]] = {}
    text = files("adapters.hl7v2").joinpath("tables/codes.tsv").read_text("utf-8")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        table, sent, system, code = line.split("\t")[:4]
        if system == "=":
            uri, code = f"{THO}v2-{table}", code or ""
            for one in sent.split():
                found.setdefault(table, {})[one] = (uri, code or one)
            continue
        for one in sent.split():
            found.setdefault(table, {})[one] = (ALIASES.get(system, system), code or one)
    return found


@lru_cache(maxsize=512)
def table_of(name: str) -> dict[str, tuple[str, str]]:
    """Code as sent -> (system, code) for one table ("0001"); empty where the table is not known."""
    return _tables().get(name, {})
