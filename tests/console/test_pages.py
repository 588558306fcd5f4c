"""The pages as a person without script uses them: real forms, real session, and what the store has afterwards."""

from __future__ import annotations

import re
import time

import pytest
from sqlalchemy import text

from tests.api.region import CANARIES, PASSWORD, Region


def value(region: Region, query: str) -> object:
    with region.services.reader.connect() as connection:
        return connection.execute(text(query)).scalar()


@pytest.mark.invariant(10)
def test_login_keeps_only_a_digest_and_says_one_thing_for_every_failure(region: Region) -> None:
    with region.browser("olga") as browser:
        cookie = browser.client.cookies["hie_session"]
        assert "Feeds" in browser.get("/console")
        assert cookie not in str(region.answers.asked)
        assert value(region, "SELECT count(*) FROM session") == 1
        browser.client.cookies.clear()
        wrong = [browser.login(name, "not the password") for name in ("olga", "nobody", "feed/north")]
    assert {answer.status_code for answer in wrong} == {401}
    assert len({re.search(r'role="alert">(.*?)<', a.text).group(1) for a in wrong}) == 1  # type: ignore[union-attr]
    assert [a["change"] for a in region.answers.of("access")] == ["open-session"] + ["login-failed"] * 3
    assert "not the password" not in str(region.answers.asked)


@pytest.mark.invariant(10)
def test_the_cookie_is_kept_from_script_and_other_sites(region: Region) -> None:
    with region.client() as client:
        answer = client.post("/console/login", data={"name": "olga", "password": PASSWORD})
    assert {"HttpOnly", "SameSite=Strict"} <= {part.strip() for part in answer.headers["set-cookie"].split(";")}
    with region.client() as client:
        foreign = client.post(
            "/console/login",
            data={"name": "olga", "password": PASSWORD},
            headers={"origin": "https://elsewhere.example"},
        )
    assert foreign.status_code == 403


@pytest.mark.invariant(10)
def test_a_form_without_the_sessions_token_changes_nothing(story: Region) -> None:
    with story.browser("olga") as browser, story.browser("root") as other:
        for data in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": other.token()}):
            answer = browser.client.post("/console/deliveries/county-ed/pause", data={"reason": "x", **data})
            assert answer.status_code == 403
            assert "another site" in answer.text or "session" in answer.text
    assert story.answers.of("subscriber.pause") == []


def test_logout_ends_the_session(region: Region) -> None:
    with region.browser("olga") as browser:
        kept = browser.client.cookies["hie_session"]
        browser.post("/console/logout")
        browser.client.cookies.set("hie_session", kept)
        assert browser.client.get("/console", follow_redirects=False).headers["location"] == "/console/login"
    assert value(region, "SELECT count(*) FROM session") == 0


def test_feeds_worst_first_with_words(story: Region) -> None:
    with story.browser("stefan") as browser:
        html = browser.get("/console")
        assert "http-equiv" in browser.get("/console?refresh=30")
    rows = re.findall(r'<td><span class="state (\w+)">.*?messages\?feed=([\w-]+)"', html, re.S)
    assert rows == [
        ("silent", "harbor"),
        ("unknown", "app"),
        ("unknown", "documents"),
        ("unknown", "wire"),
        ("degraded", "fax"),
        ("paused", "closed"),
        ("healthy", "north"),
    ]
    assert "33 %" in html
    assert "maintenance until 18:00" in html
    assert html.index("primary-care") < html.index("county-ed")


@pytest.mark.invariant(10)
def test_a_store_that_cannot_be_read_is_never_healthy(story: Region) -> None:
    with story.browser("stefan") as browser:
        story.write(text("ALTER TABLE delivery RENAME TO away"))
        html = browser.get("/console")
    assert "could not be read" in html
    assert 'class="state healthy"' not in html
    assert html.count('class="state unknown"') >= 6


def test_stuck_when_accepted_messages_wait(story: Region) -> None:
    story.applied(value(story, "SELECT id FROM message WHERE control_id = 'SEEN-1'"), done=False)
    later = time.time() + 200
    object.__setattr__(story.services, "clock", lambda: later)
    with story.browser("stefan") as browser:
        html = browser.get("/console")
    assert re.search(r'class="state stuck">.*?messages\?feed=north"', html, re.S)


def test_messages_are_found(story: Region) -> None:
    with story.browser("olga") as browser:
        assert browser.get("/console/messages?q=SEEN-1").count('<th scope="row">') == 1
        first = browser.get("/console/messages?feed=north")
        ids = re.findall(r"/console/messages/(\d{8}-\d{8})", first)
        assert len(ids) == 50
        older = re.search(r'rel="next" href="([^"]+)"', first)
        assert older
        rest = re.findall(r"/console/messages/(\d{8}-\d{8})", browser.get(older.group(1).replace("&amp;", "&")))
        assert len(rest) == 11
        assert not set(ids) & set(rest)
        assert len(re.findall(r"quarantined</span>", browser.get("/console/messages?outcome=quarantined"))) == 4
        assert browser.get("/console/messages?unfinished=1").count('<th scope="row">') == 9
        assert "No message matches" in browser.get("/console/messages?q=%27%20OR%201%3D1")
        for bad in ("feed=nope", "outcome=nope", "day=yesterday", "day=2026-13-41", "before=x"):
            assert browser.client.get(f"/console/messages?{bad}").status_code in (400, 404)


@pytest.mark.invariant(8)
def test_an_identifier_is_posted_and_noted_without_its_value(story: Region) -> None:
    with story.browser("olga") as browser:
        answer = browser.post("/console/messages", identifier="MRN-77001")
        assert answer.status_code == 200
    assert "MRN-77001" not in answer.text
    noted = story.answers.of("audit.note")
    assert noted[-1]["body"]["view"] == "messages-by-identifier"
    assert "MRN-77001" not in str(noted)


def test_the_life_of_a_message_without_its_content(story: Region) -> None:
    seen = value(story, "SELECT id FROM message WHERE control_id = 'SEEN-1'")
    with story.browser("olga") as browser:
        html = browser.get(f"/console/messages/{seen}")
        assert browser.client.get("/console/messages/20200101-00000001").status_code == 404
        assert browser.client.get("/console/messages/rubbish").status_code == 404
        refused = browser.post(f"/console/messages/{seen}/content", reason="delivery-problem")
    assert "42 CFR Part 2" in html
    assert "forbids payers" in html
    assert "Your roles do not include the content" in html
    assert refused.status_code == 403
    assert not any(canary in html + refused.text for canary in CANARIES)
    assert [n for n in story.answers.of("audit.note") if n["body"].get("view") == "message-content"] == []


@pytest.mark.invariant(3)
def test_content_needs_right_reason_and_a_written_note(story: Region) -> None:
    seen = value(story, "SELECT id FROM message WHERE control_id = 'SEEN-1'")
    address = f"/console/messages/{seen}/content"
    with story.browser("petra") as browser:
        assert browser.post(address).status_code == 400
        assert browser.post(address, reason="curiosity").status_code == 400
        assert browser.post(address, reason="patient-request", ticket="for Quintessa Zyxwolfe").status_code == 400
        story.answers.failing.add("audit.note")
        unwritten = browser.post(address, reason="patient-request")
        assert (unwritten.status_code, "Zyxwolfe" in unwritten.text) == (503, False)
        story.answers.failing.clear()
        shown = browser.post(address, reason="patient-request", ticket="INC-7")
    assert shown.status_code == 200
    assert "Zyxwolfe^Quintessa" in shown.text
    assert re.search(r"PID\[1\]</th><td>patient</td>", shown.text)
    assert "OBX[1]" in shown.text
    assert "ZX1[1]-4" in shown.text
    assert "substance use" in shown.text
    note = story.answers.of("audit.note")[-1]["body"]
    assert (note["message"], note["reason"], note["key"]) == (seen, "patient-request", "INC-7")


def test_raw_bytes_cannot_act_on_the_page(region: Region) -> None:
    nasty = "MSH|^~\\&|A|B\rPID|1||<script>alert(1)</script>\x00\x1b[31m\u202e\u200bx\rZZ1|<b>\r".encode()
    with region.client("north") as client:
        id = client.post("/intake/north", content=nasty).json()["message_id"]
    with region.browser("petra") as browser:
        html = browser.post(f"/console/messages/{id}/content", reason="decoding-problem").text
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "4d 53 48 7c" in html, "byte by byte as well"
    assert "\u2400\u241b[31m&lt;U+202E&gt;&lt;U+200B&gt;x" in html
    assert not set("\x00\x1b\u202e") & set(html)


def test_pause_and_resume_with_a_reason(story: Region) -> None:
    with story.browser("olga") as browser:
        assert browser.post("/console/deliveries/county-ed/pause", reason=" ").status_code == 400
        page = browser.post("/console/deliveries/county-ed/pause", reason="their upgrade").text
        assert "Nothing is sent" in page
        assert "their upgrade" in page
        assert "Resumed" in browser.post("/console/deliveries/county-ed/resume").text
        assert browser.client.get("/console/deliveries/nobody").status_code == 404
    assert value(story, "SELECT count(*) FROM subscriber_state WHERE name = 'county-ed'") == 0


@pytest.mark.invariant(9)
def test_dead_letters_are_counted_before_they_move(story: Region) -> None:
    dead = "SELECT count(*) FROM delivery WHERE state = 'dead-lettered'"
    with story.browser("olga") as browser:
        assert "7 in 2 groups" in browser.get("/console/deadletters")
        asked = browser.post("/console/deadletters/ask", subscriber="county-ed", reason="refused")
        assert "<b>5</b> deliveries would go again" in asked.text
        assert value(story, dead) == 7
        assert story.answers.of("repair.start") == []
        done = browser.client.post("/console/deadletters/release", data=hidden(asked.text))
        assert "Today&#39;s identity and consent" in done.text
        assert "release of dead letters" in done.text
        assert value(story, dead) == 2
        group = browser.get("/console/deadletters?subscriber=county-ed&reason=gave-up")
        ids = re.findall(r'name="ids" value="(\d+)"', group)
        assert browser.post("/console/deadletters/purge", ids=ids).status_code == 400
        browser.post("/console/deadletters/purge", ids=ids, reason="the practice has closed")
        assert browser.post("/console/deadletters/ask", ids="1; DROP").status_code == 400
        assert browser.post("/console/deadletters/ask").status_code == 400
    assert value(story, "SELECT count(*) FROM delivery WHERE state = 'purged'") == 2
    chosen = {"subscriber": "county-ed", "reasons": ["refused"]}
    assert story.answers.of("repair.start") == [{"kind": "deadletters", "selection": chosen}]


def hidden(html: str) -> dict[str, str]:
    """The fields of the confirming form."""
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', html.partition("/release")[2]))


@pytest.mark.invariant(10)
def test_who_may_only_read_cannot_replay(story: Region) -> None:
    with story.browser("aude") as browser:
        assert "Replay this group" not in browser.get("/console/deadletters")
        for address in (
            "deadletters/ask",
            "deadletters/release",
            "quarantine/ask",
            "quarantine/release",
            "repairs/1/stop",
        ):
            assert browser.post(f"/console/{address}", all="1", feed="harbor", reason="undecodable").status_code == 403
    with story.browser("olga") as browser:
        assert browser.client.post("/console/deadletters/release", data={"all": "1"}).status_code == 403, "no token"
    assert story.answers.of("repair.start") == []


def test_quarantine_is_grouped_and_tried_again_after_a_count(story: Region) -> None:
    with story.browser("olga") as browser:
        html = browser.get("/console/quarantine")
        assert "5 in 2 groups" in html
        ids = re.findall(r'name="ids" value="([\d-]+)"', html)
        assert len(ids) == 5
        only = browser.get("/console/quarantine?feed=harbor&reason=undecodable")
        assert len(re.findall(r'name="ids" value="([\d-]+)"', only)) == 4
        asked = browser.post("/console/quarantine/ask", feed="harbor", reason="undecodable")
        assert "<b>4</b> messages would be read again" in asked.text
        assert story.answers.of("repair.start") == []
        assert "Being tried again" in browser.client.post("/console/quarantine/release", data=hidden(asked.text)).text
        browser.post("/console/quarantine/release", ids=ids[:2])
        assert browser.post("/console/quarantine/ask").status_code == 400
        assert browser.post("/console/quarantine/ask", ids="1; DROP").status_code in (400, 404)
    assert story.answers.of("repair.start") == [
        {"kind": "quarantine", "selection": {"feed": "harbor", "reasons": ["undecodable"]}},
        {"kind": "quarantine", "selection": {"messages": ids[:2]}},
    ]


def test_what_needs_somebody_stands_first(story: Region) -> None:
    with story.browser("olga") as browser:
        html = browser.get("/console")
    listed = re.findall(
        r'<li><span class="state (\w+)">.*?<b>(.*?)</b>', html.partition('id="needs"')[2].partition("</ol>")[0]
    )
    assert listed == [
        ("stuck", "subscriber primary-care"),
        ("silent", "feed harbor"),
        ("degraded", "feed fax"),
        ("degraded", "quarantine"),
        ("degraded", "dead letters"),
        ("paused", "subscriber payer"),
    ]
    assert html.index("dead letters") < html.index("All feeds")


def test_nothing_needs_anybody(region: Region) -> None:
    region.write(text("DELETE FROM message"))
    with region.browser("stefan") as browser:
        html = browser.get("/console")
    needing = html.partition('id="needs"')[2].partition("</section>")[0]
    assert "dead letters" not in needing
    assert "quarantine" not in needing


def test_repairs_are_followed_stopped_and_gone_on_with(story: Region) -> None:
    with story.browser("olga") as browser:
        assert "Nothing was ordered yet" in browser.get("/console/repairs")
        page = browser.post("/console/quarantine/release", feed="harbor", reason="undecodable").text
        assert 'http-equiv="refresh"' in page
        assert re.search(r"release from quarantine.*0 of 4", page, re.S)
        assert "Stopped where it is" in browser.post("/console/repairs/1/stop").text
        assert "http-equiv" not in browser.get("/console/repairs")
        assert "It goes on" in browser.post("/console/repairs/1/resume").text
        assert browser.post("/console/repairs/x/stop").status_code == 400


def test_subscribers_say_whether_they_are_reached(story: Region) -> None:
    with story.browser("olga") as browser:
        html = browser.get("/console/deliveries")
        row = re.search(r"<tr>(?:(?!</tr>).)*primary-care.*?</tr>", html, re.S)
        assert row
        assert "resting" in row[0]
        story.answers.failing.add("ping")
        assert "primary-care" in browser.get("/console/deliveries"), "the page stands without the engine"


def test_reading_the_log_is_logged(story: Region) -> None:
    with story.browser("aude") as browser:
        html = browser.get("/console/audit")
        assert "log-read" in html, "the page shows its own reading"
        assert "consent-change" in html
        only = browser.get("/console/audit?kind=consent-change")
        assert len(re.findall(r'<th scope="row">([\w-]+)</th>', only)) == 1
        assert browser.client.get("/console/audit?kind=nope").status_code == 400
        story.answers.failing.add("audit.note")
        assert browser.client.get("/console/audit").status_code == 503


def test_the_chain_is_checked(story: Region) -> None:
    from hie.audit.key import SealKey, key_path
    from hie.audit.seal import Sealer, seals_path

    (story.var / "audit").mkdir()
    with story.browser("aude") as browser:
        assert "cannot be checked" in browser.post("/console/audit/check").text
        Sealer(story.services.reader, seals_path(story.var), SealKey.open(key_path(story.var), create=True)).seal()
        assert "Intact:" in browser.post("/console/audit/check").text
        story.write(text("UPDATE audit SET actor = 'user:nobody' WHERE seq = 2"))
        assert re.search(r'class="problem"[^>]*>(?!Intact)', browser.post("/console/audit/check").text)


def test_settings_name_what_is_in_force_without_secrets(story: Region) -> None:
    with story.browser("olga") as browser:
        html = browser.get("/console/settings")
    assert story.settings.hash in html
    assert "in force" in html
    assert "America/Chicago" in html
    assert not any(token in html for token in story.tokens.values())


PAGES = (
    *("", "/messages", "/deliveries", "/deliveries/county-ed", "/deadletters", "/quarantine", "/repairs", "/audit"),
    "/settings",
)


@pytest.mark.parametrize("page", PAGES)
def test_pages_are_whole_for_keyboard_and_reader(story: Region, page: str) -> None:
    with story.browser("root") as browser:
        html = browser.get(f"/console{page}")
    assert html.count("<h1") == 1
    assert '<html lang="en">' in html
    assert 'href="#main"' in html
    assert html.count('aria-current="page"') == 1
    assert "<script" not in html
    assert "onclick" not in html
    for kind, id in re.findall(r"<(input|select)[^>]*? id=\"(\w+)\"", html):
        assert f'for="{id}"' in html, (kind, id)
    for box in re.findall(r"<input type=\"checkbox\"[^>]*>", html):
        assert "aria-label" in box or "unfinished" in box
    assert not re.search(r'(href|src|action)="https?:', html)
    for table in re.findall(r"<table>.*?</table>", html, re.S):
        assert "<thead" in table
        assert 'scope="col"' in table
