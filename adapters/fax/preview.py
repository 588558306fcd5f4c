"""What would be done with a sequence of faxes against a list of known patients; nothing is filed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from adapters.fax.document import FaxDocument, documents_of
from adapters.fax.match import Roster, plain
from adapters.fax.pages import pages_of, to_text
from adapters.fax.parties import Party

_CORRECTED = re.compile(r"\b(?:corrected|amended|addendum|revised)\b", re.IGNORECASE)


def preview(faxes: Iterable[tuple[str, bytes]], roster: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """(fax id, text bytes) in order of receipt -> one line each as in `hie fax preview`."""
    known = Roster(roster)
    seen: dict[tuple[Any, ...], str] = {}
    for fax_id, raw in faxes:
        text = to_text(raw)
        documents = documents_of(text)
        signature = _signature(text, documents)
        duplicate = seen.get(signature) if signature else None
        if signature and duplicate is None:
            seen[signature] = fax_id
        made = [_document(d, known, duplicate) for d in documents]
        yield {"fax_id": fax_id, "duplicate_of": duplicate, "documents": made}


def _document(document: FaxDocument, known: Roster, duplicate: str | None) -> dict[str, Any]:
    match = known.match(document)._asdict()
    if duplicate is not None and match["action"] in ("file", "new"):
        match["action"], match["why"] = "review", "duplicate of an earlier fax"
    key = document.patient
    sex = key.sex[:1].upper()
    address = {"line": key.line, "city": key.city, "state": key.state, "zip": key.zip}
    return {
        "pages": list(document.pages),
        "doc_type": document.kind.name,
        "patient": {
            "family": key.family,
            "given": key.given,
            "dob": key.dob,
            "sex": sex,
            "mrn": key.mrn,
            "phone": key.phone,
            "address": address if key.line or key.city else None,
        },
        "sender": document.sender._asdict(),
        "recipient": _without_npi(document.recipient),
        "date": document.date,
        "urgent": document.urgent,
        "handwritten": document.handwritten,
        "incomplete": document.incomplete,
        "labs": [
            {
                "name": x.name,
                "value": x.comparator + x.value,
                "unit": x.unit,
                "ref": x.ref,
                "flag": x.flag,
                "conf": x.conf,
            }
            for x in document.labs
        ],
        "medications": [{"name": m.name, "dose": m.dose, "status": m.status} for m in document.medications],
        "allergies": [{"substance": a.substance} for a in document.allergies],
        "no_known_allergies": document.no_known_allergies,
        "problems": [{"name": p.name, "code": p.code} for p in document.problems],
        "match": match,
    }


def _without_npi(party: Party) -> dict[str, str]:
    return {"name": party.name, "org": party.org, "fax": party.fax}


def _signature(text: str, documents: list[FaxDocument]) -> tuple[Any, ...] | None:
    """Equal for a resend, different as soon as one number or one word of the facts differs; None where it says too
    little. A corrected report says so, and is never a duplicate."""
    body = "\n".join(page.text for page in pages_of(text))
    if _CORRECTED.search(body) or not any(d.patient.family for d in documents):
        return None
    words = tuple(sorted(plain(w) for w in body.split() if plain(w)))
    numbers = tuple(re.findall(r"\d+(?:\.\d+)?", body))
    facts = tuple(
        (d.kind.name, plain(d.patient.family), d.patient.dob, d.date, d.sender.fax, plain(d.sender.org))
        for d in documents
    )
    return (facts, numbers, words)
