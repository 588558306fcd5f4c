"""What is refused: not XML, DTD and entities, no ClinicalDocument, too much; each with its code and no patient data."""

from __future__ import annotations

import time

import pytest

from adapters.ccda.decode import decode
from adapters.ccda.peek import peek
from hie.errors import DecodeError, Rejected
from hie.model import FeedContext
from tests.adapters.ccda.document import document, read, section

BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE ClinicalDocument [<!ENTITY a "aaaaaaaaaa">'
    + b"".join(b'<!ENTITY %c "%s">' % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9))
    + b']><ClinicalDocument xmlns="urn:hl7-org:v3"><title>&j;</title></ClinicalDocument>'
)
XXE = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><ClinicalDocument xmlns="urn:hl7-org:v3"><title>&e;</title></ClinicalDocument>'


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"", "ccda-not-xml"),
        (b"MSH|^~\\&|A|B", "ccda-not-xml"),
        (b"<ClinicalDocument>", "ccda-not-xml"),
        (document()[:-40], "ccda-not-xml"),
        (b'<Bundle xmlns="http://hl7.org/fhir"/>', "ccda-no-document"),
        (b"<html><body/></html>", "ccda-no-document"),
        (BOMB, "ccda-dtd"),
        (XXE, "ccda-dtd"),
        (b"<!DOCTYPE ClinicalDocument>" + document()[38:], "ccda-dtd"),
        (document().replace(b"Summary of care", b"&nbsp;"), "ccda-not-xml"),
        (b"\xff\xfe" + b"<\x00" * 7 + b"x", "ccda-not-xml"),
    ],
)
def test_refused_with_a_code(raw: bytes, code: str) -> None:
    with pytest.raises(DecodeError) as caught:
        list(decode(raw, FeedContext()))
    assert caught.value.code == code


def test_an_entity_bomb_costs_nothing() -> None:
    start = time.process_time()
    with pytest.raises(DecodeError):
        list(decode(BOMB, FeedContext()))
    assert time.process_time() - start < 0.2


@pytest.mark.invariant(8)
def test_no_refusal_holds_a_value_of_the_document() -> None:
    raw = document(section("8716-3", text="CANARYBRANDVOLD")).replace(b"</title>", b"</titel>")
    with pytest.raises(DecodeError) as caught:
        list(decode(raw, FeedContext()))
    assert "CANARY" not in f"{caught.value} {caught.value.hint} {caught.value.where}"
    assert "Brandvold" not in str(caught.value)


@pytest.mark.invariant(8)
def test_no_warning_or_unmapped_place_holds_a_value() -> None:
    raw = document(
        section(
            "48765-2",
            '<entry><act classCode="ACT" moodCode="EVN"><priorityCode code="CANARY1"/><text>CANARY2</text></act></entry>',
        )
    )
    record = read(raw)
    assert record.unmapped
    assert "CANARY" not in str(record.warnings) + str(record.unmapped) + str(record.sources)


@pytest.mark.parametrize("raw", [b"", b"MSH|^~\\&|", b"<Bundle/>", BOMB])
def test_peek_refuses_the_same(raw: bytes) -> None:
    with pytest.raises(Rejected) as caught:
        peek(raw)
    assert caught.value.code in ("ccda-no-document", "ccda-dtd")


def test_script_never_leaves() -> None:
    text = (
        '<paragraph onclick="steal()">a<script>alert(1)</script><linkHtml href="javascript:x()">b</linkHtml>'
        '<linkHtml href="https://example.org/?a=1&amp;b=2">c</linkHtml><img src="http://evil.example/x.png"/></paragraph>'
    )
    (made,) = read(document(section("8716-3", text=text))).resources[-1]["section"]
    div = made["text"]["div"]
    assert "<script" not in div
    assert "onclick" not in div
    assert "javascript" not in div
    assert "<img" not in div
    assert 'href="https://example.org/?a=1&amp;b=2"' in div
