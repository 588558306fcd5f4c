"""Narrative of every section as XHTML, and quoted by the entries that point into it."""

from __future__ import annotations

from xml.etree import ElementTree

from tests.adapters.ccda.document import document, entry, one, read, section

TABLE = (
    '<table border="1"><caption>Heights</caption><thead><tr><th>Date</th><th colspan="2">Value</th></tr></thead>'
    '<tbody><tr ID="row1"><td>5 March</td><td><content ID="h" styleCode="Bold">170 cm</content> &amp; more<br/>twice</td></tr></tbody></table>'
    "<list listType='ordered'><caption>Plan</caption><item>one</item><item>two<sup>a</sup></item></list>"
    '<footnote ID="fn">tall</footnote><renderMultiMedia referencedObject="MM1"/>'
)


def div(text: str) -> str:
    (made,) = one(read(document(section("8716-3", text=text))), "Composition")["section"]
    return str(made["text"]["div"])


def test_tables_lists_and_styles() -> None:
    made = div(TABLE)
    root = ElementTree.fromstring(made)
    assert root.tag == "{http://www.w3.org/1999/xhtml}div"
    for part in (
        '<th colspan="2">Value</th>',
        '<tr id="row1">',
        '<span id="h" style="font-weight: bold">170 cm</span> &amp; more<br/>twice',
        "<ol><li>Plan</li><li>one</li><li>two<sup>a</sup></li></ol>",
        "<caption>Heights</caption>",
    ):
        assert part in made


def test_words_do_not_run_together() -> None:
    assert "<span>a</span> <span>b</span>" in div("<paragraph><content>a</content> <content>b</content></paragraph>")


def test_an_entry_quotes_its_row() -> None:
    body = entry(
        '<observation classCode="OBS" moodCode="EVN"><code code="8302-2" codeSystem="2.16.840.1.113883.6.1"><originalText><reference value="#row1"/></originalText></code>'
        '<text><reference value="#row1"/></text><statusCode code="completed"/><value xsi:type="ED"><reference value="#h"/></value></observation>'
    )
    made = one(read(document(section("8716-3", body, TABLE))), "Observation")
    ElementTree.fromstring(made["text"]["div"])
    assert made["text"]["div"].startswith(
        '<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody><tr id="row1"><td>5 March</td>'
    )
    assert made["valueString"] == "170 cm"
    assert made["code"]["text"] == "5 March 170 cm & more\ntwice"


def test_subsections_nest() -> None:
    inner = section("10160-0", text="inner words")
    outer = section("18776-5", entries=inner, text="outer words")
    (made,) = one(read(document(outer)), "Composition")["section"]
    assert "outer words" in made["text"]["div"]
    assert "inner words" in made["section"][0]["text"]["div"]


def test_a_section_without_text_still_has_its_title() -> None:
    raw = document(section("11450-4")).replace(b"<text><paragraph>Text</paragraph></text>", b"")
    (made,) = one(read(raw), "Composition")["section"]
    assert made["text"] == {"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Section 11450-4</div>'}
