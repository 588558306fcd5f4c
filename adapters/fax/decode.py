"""Fax text in: one record for each document of the transmission, split by patient before anything else.

The text is that of an OCR server, pages parted by form feeds. What was read is proposed, not asserted; what could not
be read with confidence is named with its page, line and reason. Source: LOINC document ontology; HL7 v3 codes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from adapters.fax.document import documents_of
from adapters.fax.kinds import LOINC
from adapters.fax.pages import to_text
from adapters.fax.peek import check, peek
from adapters.fax.resources import Builder
from hie.errors import DecodeError, Rejected
from hie.model import FeedContext, Record

__all__ = ["decode", "peek"]


def decode(raw: bytes, context: FeedContext) -> Iterator[Record]:
    """Records in the order of their first page. `patient` is None where the pages name nobody: such a document waits
    for a person. Raises DecodeError `fax-empty`, `fax-binary`."""
    try:
        check(raw)
    except Rejected as error:
        raise DecodeError(error.text, code=error.code, hint=error.hint, ack=error.ack, err=error.err) from error
    sha256 = hashlib.sha256(raw).hexdigest()
    for index, document in enumerate(documents_of(to_text(raw))):
        built = Builder(document, index, sha256, context).build()
        kind = document.kind.name
        yield Record(
            index=index,
            event=LOINC[kind][0] if kind in LOINC else kind,
            patient=built.patient,
            resources=tuple(built.resources),
            sources=tuple(built.sources),
            warnings=tuple(built.warnings),
            unmapped=tuple(built.unmapped),
            control_id=sha256[:32],
            sender=document.sender.org or document.sender.name,
        )
