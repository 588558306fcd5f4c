"""The page of unmapped codes: what waits and what is answered, for those who may see it, and the files to fill in."""

from __future__ import annotations

import time

import pytest
from sqlalchemy import insert

from hie.store.tables import unmapped
from tests.api.region import Region


@pytest.fixture
def listed(story: Region) -> Region:
    now = time.time()
    for kind, feed, system, code, seen in (
        ("code", "north", "urn:hie:system:99LAB", "GLU<b>", 1412),
        ("code", "north", "urn:hie:system:99LAB", "?", 3),
        ("code", "harbor", "HL70069", "CARD", 7),
        ("field", "north", "", "ZPD-4", 90),
    ):
        row = {
            "kind": kind, "feed": feed, "sender": "LIS|NORTH", "system": system, "code": code, "seen": seen,
            "first_at": now - 3600, "last_at": now - 60, "example": "20260101-00000001",
        }  # fmt: skip
        story.write(insert(unmapped).values(row))
    return story


def test_what_waits_by_feed_and_sender(listed: Region) -> None:
    with listed.browser("olga") as browser:
        html = browser.get("/console/codes")
        assert "2 codes wait" in html
        assert "GLU&lt;b&gt;" in html
        assert "1\u202f412" in html
        assert html.index("CARD") < html.index("GLU")
        assert "ZPD-4" in html
        assert "CARD" not in browser.get("/console/codes?feed=north")
        assert "Nothing is answered yet" in browser.get("/console/codes?answered=1")
        assert browser.client.get("/console/codes?feed=nort").status_code == 404


def test_new_codes_are_named_on_the_start_page(listed: Region) -> None:
    with listed.browser("olga") as browser:
        html = browser.get("/console")
    assert "2 local codes of 2 feeds, first seen this week" in html
    assert 'href="/console/codes"' in html


def test_the_files_hold_what_a_table_can_answer(listed: Region) -> None:
    with listed.browser("olga") as browser:
        sheet = browser.client.get("/console/codes/export?feed=north")
        assert sheet.headers["content-disposition"] == 'attachment; filename="north.tsv"'
        assert [line.split("\t")[:2] for line in sheet.text.splitlines()[1:]] == [["urn:hie:system:99LAB", "GLU<b>"]]
        made = browser.client.get("/console/codes/export?format=conceptmap").json()
        assert [group["source"] for group in made["group"]] == ["HL70069", "urn:hie:system:99LAB"]
        assert browser.client.get("/console/codes/export?format=xls").status_code == 400


@pytest.mark.invariant(10)
def test_only_roles_with_the_right_see_it(listed: Region) -> None:
    with listed.browser("stefan") as browser:
        assert 'href="/console/codes"' not in browser.get("/console")
        for address in ("/console/codes", "/console/codes/export"):
            assert browser.client.get(address).status_code == 403
