"""Keys of a document from its first bytes: id, type, patient. Bounded, and without parsing: it runs before the commit."""

from __future__ import annotations

import re

from hie.codes.systems import from_oid
from hie.errors import Rejected
from hie.model import Keys

WINDOW = 64 * 1024
"""Bytes looked at: the header of a document lies at its beginning."""

_ROOT = re.compile(rb"<(?:[\w.-]+:)?ClinicalDocument[\s>/]")
_DTD = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ID = re.compile(rb"<(?:[\w.-]+:)?id\b([^<>]*)>")
_CODE = re.compile(rb"<(?:[\w.-]+:)?code\b([^<>]*)>")
_BODY = re.compile(rb"<(?:[\w.-]+:)?(?:component|section)[\s>]")
_ROLE = re.compile(rb"<(?:[\w.-]+:)?patientRole\b")
_EXTENSION = re.compile(rb"""\bextension\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_OID = re.compile(rb"""\broot\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_VALUE = re.compile(rb"""\bcode\s*=\s*(?:"([^"]*)"|'([^']*)')""")


def peek(raw: bytes) -> Keys:
    """Keys of a C-CDA document; the LOINC type as event, the patient's first complete id as ordering key.

    Raises hie.errors.Rejected (`ccda-no-document`, `ccda-dtd`).
    """
    window = raw[:WINDOW]
    if window[:2] in (b"\xff\xfe", b"\xfe\xff") or window[:4] in (b"<\x00?\x00", b"\x00<\x00?"):
        window = window.replace(b"\x00", b"")
    root = _ROOT.search(window)
    if root is None:
        raise Rejected(
            "no ClinicalDocument at the beginning of the content",
            code="ccda-no-document",
            ack="AR",
            err=207,
            hint="send one CDA R2 document",
        )
    if _DTD.search(window, 0, root.start()):
        raise Rejected("document type declarations and entities are refused", code="ccda-dtd", where="DOCTYPE")
    role = _ROLE.search(window, root.end())
    body = role or _BODY.search(window, root.end())
    first = body.start() if body else len(window)
    number = _ID.search(window, root.end(), first)
    code = _CODE.search(window, root.end(), first)
    return Keys(
        format="ccda",
        control_id=_join(number[1]) if number else b"",
        event=_attribute(_VALUE, code[1]).decode("utf-8", "replace") if code else "",
        ordering=_ordering(window, role.end()) if role else (),
    )


def _ordering(window: bytes, start: int) -> tuple[str, ...]:
    for found in _ID.finditer(window, start, start + 4096):
        root, extension = _attribute(_OID, found[1]), _attribute(_EXTENSION, found[1])
        if root and extension:
            authority = from_oid(root.decode("utf-8", "replace").strip())
            return (f"{authority}||{extension.decode('utf-8', 'replace').strip()}",)
    return ()


def _join(attributes: bytes) -> bytes:
    root, extension = _attribute(_OID, attributes), _attribute(_EXTENSION, attributes)
    return root + b"^" + extension if extension else root


def _attribute(pattern: re.Pattern[bytes], text: bytes) -> bytes:
    found = pattern.search(text)
    return (found[1] or found[2] or b"") if found else b""
