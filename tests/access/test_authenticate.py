"""Who calls: tokens, passwords, sessions; wrong ones are refused alike and slowed down."""

from __future__ import annotations

import base64
import time

import pytest

from hie.access import accounts, sessions
from hie.access.authenticate import STATUS
from hie.access.roles import Capability, Principal, Role, require
from hie.errors import AccessDenied
from tests.access.conftest import HASH, PASSWORD, Site

pytestmark = pytest.mark.invariant(10)


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()}


def refusal(site: Site, headers: dict[str, str], cookies: dict[str, str] | None = None) -> str:
    with pytest.raises(AccessDenied) as error:
        site.authenticator.authenticate(headers, cookies, "10.0.0.1")
    assert STATUS[error.value.code] in (401, 403, 429)
    return error.value.code


def test_without_a_credential_nobody_comes_in(site: Site) -> None:
    assert refusal(site, {}) == "no-credential"


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Bearer x", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"nocolon").decode(),
     "Basic " + base64.b64encode(b"\xff\xfe:x").decode(), "Digest username=x", "Bearer \udcff", "Basic \u00e9"],
)  # fmt: skip
def test_what_is_no_credential_is_refused(site: Site, header: str) -> None:
    assert refusal(site, {"authorization": header}) == "bad-credential"


def test_a_feed_may_post_to_its_own_feed_only(site: Site) -> None:
    token = site.feed("north")
    site.feed("south")
    for headers in (bearer(token), basic("north", token), basic("feed/north", token)):
        principal = site.authenticator.authenticate(headers)
        assert (principal.kind, principal.feed, principal.actor) == ("feed", "north", "feed:north")
        require(principal, Capability.INTAKE_SUBMIT, "north")
        for feed in ("south", "nort", "", None):
            with pytest.raises(AccessDenied, match="not-allowed"):
                require(principal, Capability.INTAKE_SUBMIT, feed)
        for capability in set(Capability) - {Capability.INTAKE_SUBMIT}:
            with pytest.raises(AccessDenied):
                require(principal, capability, "north")


def test_a_token_under_anothers_name_is_refused(site: Site) -> None:
    token = site.feed("north")
    site.feed("south")
    assert refusal(site, basic("south", token)) == "bad-credential"


def test_a_program_reads_for_its_participant(site: Site) -> None:
    token = site.client("lakeside-ehr", "subscriber", participant="lakeside")
    principal = site.authenticator.authenticate(bearer(token))
    assert (principal.participant, principal.roles) == ("lakeside", {Role.SUBSCRIBER})


@pytest.mark.parametrize(
    "change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.upper(), lambda t: t.replace("hie_", "")]
)
def test_a_token_must_be_whole(site: Site, change: object) -> None:
    token = site.client("p", "metrics")
    assert refusal(site, bearer(change(token))) == "bad-credential"  # type: ignore[operator]


def test_a_disabled_credential_is_refused_within_a_second(site: Site) -> None:
    token = site.client("p", "metrics")
    assert site.authenticator.authenticate(bearer(token)).name == "p"
    site.change(lambda c: accounts.disable(c, "p", site.clock.now))
    assert refusal(site, bearer(token)) == "bad-credential"
    site.change(lambda c: accounts.enable(c, "p"))
    assert site.authenticator.authenticate(bearer(token)).name == "p"


def test_tokens_change_over_without_a_gap(site: Site) -> None:
    from hie.access.credentials import new_token, token_digest

    old, new = site.feed("north"), new_token()
    site.change(lambda c: accounts.replace_token(c, "feed/north", token_digest(new), keep_old=True))
    assert site.authenticator.authenticate(bearer(old)).feed == "north"
    assert site.authenticator.authenticate(bearer(new)).feed == "north"
    site.change(lambda c: accounts.retire_token(c, "feed/north"))
    assert refusal(site, bearer(old)) == "bad-credential"
    assert site.authenticator.authenticate(bearer(new)).feed == "north"
    site.change(lambda c: accounts.replace_token(c, "feed/north", token_digest(old), keep_old=False))
    assert refusal(site, bearer(new)) == "bad-credential"


def test_a_person_by_password(site: Site) -> None:
    site.user("alice", "operator")
    principal = site.authenticator.authenticate(basic("alice", PASSWORD))
    assert (principal.actor, principal.capabilities >= {Capability.QUEUES_READ}) == ("user:alice", True)
    assert refusal(site, basic("alice", PASSWORD + "x")) == "bad-credential"
    assert refusal(site, basic("nobody", PASSWORD)) == "bad-credential"
    assert refusal(site, basic("alice", "")) == "bad-credential"


def test_a_changed_password_ends_the_old_one_and_its_memory(site: Site) -> None:
    from hie.access.credentials import password_hash

    site.user("alice", "operator")
    site.authenticator.authenticate(basic("alice", PASSWORD))
    other = password_hash("another four words")
    site.change(lambda c: accounts.set_password(c, "alice", other))
    assert refusal(site, basic("alice", PASSWORD)) == "bad-credential"


def test_a_programs_kept_hash_is_no_password(site: Site) -> None:
    from hie.access.credentials import token_digest

    token = site.client("p", "metrics")
    assert refusal(site, basic("p", token_digest(token))) == "bad-credential"
    site.user("alice", "operator")
    assert refusal(site, basic("alice", HASH)) == "bad-credential"
    assert refusal(site, bearer(HASH)) == "bad-credential"


def test_a_session_lives_while_it_is_used(site: Site) -> None:
    site.user("alice", "operator")
    cookie, id = sessions.new_cookie()
    site.change(lambda c: sessions.open_session(c, id, "alice", site.clock.now))
    carried = {sessions.COOKIE: cookie}
    start = site.clock.now
    while site.clock.now < start + sessions.LONGEST - 1300:
        caller = site.authenticator.caller({}, carried)
        assert caller.session is not None
        assert caller.session.stale is (site.clock.now > start)
        site.change(lambda c: sessions.touch_session(c, id, site.clock.now))
        site.clock.now += 1200
    site.clock.now = start + sessions.LONGEST
    assert refusal(site, {}, carried) == "session-ended"


def test_an_idle_session_ends(site: Site) -> None:
    site.user("alice", "operator")
    cookie, id = sessions.new_cookie()
    site.change(lambda c: sessions.open_session(c, id, "alice", site.clock.now))
    site.clock.now += sessions.IDLE
    assert refusal(site, {}, {sessions.COOKIE: cookie}) == "session-ended"
    with site.writer.begin() as connection:
        assert not sessions.touch_session(connection, id, site.clock.now)
        assert sessions.purge_sessions(connection, site.clock.now) == 1


@pytest.mark.parametrize("end", ["logout", "disable", "password", "roles"])
def test_what_ends_a_session(site: Site, end: str) -> None:
    site.user("admin", "administrator")
    site.user("alice", "operator")
    cookie, id = sessions.new_cookie()
    site.change(lambda c: sessions.open_session(c, id, "alice", site.clock.now))
    assert site.authenticator.authenticate({}, {sessions.COOKIE: cookie}).name == "alice"
    ends = {
        "logout": lambda c: sessions.close_session(c, id),
        "disable": lambda c: accounts.disable(c, "alice", site.clock.now),
        "password": lambda c: accounts.set_password(c, "alice", HASH),
        "roles": lambda c: accounts.set_roles(c, "alice", ["auditor"], ""),
    }
    site.change(ends[end])
    assert refusal(site, {}, {sessions.COOKIE: cookie}) == "session-ended"


def test_the_database_holds_no_cookie(site: Site) -> None:
    from sqlalchemy import select

    from hie.store.tables import session

    cookie, id = sessions.new_cookie()
    site.change(lambda c: sessions.open_session(c, id, "alice", site.clock.now))
    with site.reader.connect() as connection:
        assert cookie not in str(connection.execute(select(session)).all())
    assert refusal(site, {}, {sessions.COOKIE: id.hex()}) == "session-ended"


def test_a_form_belongs_to_its_session() -> None:
    mine, _ = sessions.new_cookie()
    other, _ = sessions.new_cookie()
    sessions.check_csrf(mine, sessions.csrf_token(mine))
    for submitted in (sessions.csrf_token(other), "", "\u00e9", mine):
        with pytest.raises(AccessDenied, match="csrf"):
            sessions.check_csrf(mine, submitted)
    with pytest.raises(AccessDenied, match="csrf"):
        sessions.check_csrf("", sessions.csrf_token(""))


def test_a_login_form_of_another_site_is_refused() -> None:
    sessions.check_origin(None, "hie.example:8080")
    sessions.check_origin("https://hie.example:8080", "HIE.example:8080")
    for origin in ("https://evil.example", "null", "", "https://hie.example.evil:8080"):
        with pytest.raises(AccessDenied, match="csrf"):
            sessions.check_origin(origin, "hie.example:8080")


def test_the_cookie_is_for_this_site_and_no_script() -> None:
    for flag in ("HttpOnly", "SameSite=Strict", "Secure", "Path=/"):
        assert flag in sessions.set_cookie("v", secure=True)
    assert "Secure" not in sessions.set_cookie("v", secure=False)
    assert "Max-Age=0" in sessions.clear_cookie()


def test_guessing_gets_slower_and_the_right_password_does_not_help(site: Site) -> None:
    site.user("alice", "operator")
    codes = [refusal(site, basic("alice", f"wrong{i} wrong wrong")) for i in range(6)]
    assert codes == ["bad-credential"] * 5 + ["too-many-attempts"]
    assert refusal(site, basic("alice", PASSWORD)) == "too-many-attempts"
    assert site.authenticator.authenticate(basic("alice", PASSWORD), None, "10.0.0.2").name == "alice"
    site.clock.now += 2
    assert site.authenticator.authenticate(basic("alice", PASSWORD), None, "10.0.0.1").name == "alice"


def test_a_token_costs_microseconds(site: Site) -> None:
    headers = bearer(site.feed("north"))
    for i in range(300):
        site.feed(f"f{i}")
    site.authenticator.authenticate(headers)
    best = 1.0
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(200):
            site.authenticator.authenticate(headers)
        best = min(best, (time.perf_counter() - begin) / 200)
    assert best < 50e-6


def test_a_role_of_a_later_version_gives_nothing(site: Site) -> None:
    from hie.access.directory import principal

    found: Principal = principal("x", "user", "operator overlord", "")
    assert found.roles == {Role.OPERATOR}
