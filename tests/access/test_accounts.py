"""Administrators, users, programs, feeds: what may be made, what may not, and that no plain secret is kept."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from sqlalchemy import select

from hie.access import accounts, changes, tables
from hie.access.accounts import ensure_first_administrator
from hie.access.credentials import (
    NOBODY,
    check_password,
    new_password,
    new_token,
    password_hash,
    password_matches,
    token_digest,
)
from hie.access.roles import CAPABILITIES, FOR_PROGRAMS, Capability, Role
from hie.access.secrets import ensure_feed_tokens, read_token, token_path
from hie.audit.chain import Chain, Trail
from hie.errors import ConfigurationError, Conflict, HieError, NotFound
from hie.store.tables import audit, credential, session
from tests.access.conftest import HASH, PASSWORD, Site

pytestmark = pytest.mark.invariant(10)


def test_the_tables_are_those_of_the_store() -> None:
    for ours, theirs in ((tables.credential, credential), (tables.session, session)):
        assert ours.name == theirs.name
        assert [c.name for c in ours.columns] == [c.name for c in theirs.columns]


def test_the_first_administrator_is_made_once_with_a_password_of_its_own(site: Site) -> None:
    with site.writer.begin() as connection:
        password = ensure_first_administrator(connection, 1.0)
        assert password is not None
        assert ensure_first_administrator(connection, 1.0) is None
    assert site.authenticator.login("admin", password, "a").roles == {Role.ADMINISTRATOR}
    assert len(password) >= 24
    assert password != new_password()
    with site.reader.connect() as connection:
        assert password not in str(connection.execute(select(credential)).all())


def test_disabling_does_not_bring_a_first_administrator_back(site: Site) -> None:
    site.user("root", "administrator")
    site.user("second", "administrator")
    site.change(lambda c: accounts.disable(c, "root", 1.0))
    with site.writer.begin() as connection:
        assert ensure_first_administrator(connection, 1.0) is None


def test_the_last_administrator_stays(site: Site) -> None:
    site.user("root", "administrator")
    with site.writer.begin() as connection:
        with pytest.raises(Conflict, match="last-administrator"):
            accounts.disable(connection, "root", 1.0)
        with pytest.raises(Conflict, match="last-administrator"):
            accounts.set_roles(connection, "root", ["auditor"], "")


def test_the_way_back_in(site: Site) -> None:
    site.user("second", "administrator")
    site.change(lambda c: accounts.reset_administrator(c, HASH, 1.0))
    assert site.authenticator.login("admin", PASSWORD, "a").roles == {Role.ADMINISTRATOR}
    site.change(lambda c: accounts.disable(c, "admin", 1.0))
    other = password_hash("another four words")
    site.change(lambda c: accounts.reset_administrator(c, other, 1.0))
    assert site.authenticator.login("admin", "another four words", "a").name == "admin"


@pytest.mark.parametrize(
    ("name", "roles", "participant", "code"),
    [
        ("Alice", ["operator"], "", "bad-name"),
        ("a b", ["operator"], "", "bad-name"),
        ("a:b", ["operator"], "", "bad-name"),
        ("feed/x", ["operator"], "", "bad-name"),
        ("", ["operator"], "", "bad-name"),
        ("x" * 60, ["operator"], "", "bad-name"),
        ("alice", ["boss"], "", "bad-role"),
        ("alice", [], "", "bad-role"),
        ("alice", ["feed"], "", "bad-role"),
        ("alice", ["clinician"], "", "no-participant"),
        ("taken", ["operator"], "", "name-taken"),
    ],
)
def test_users_that_cannot_be(site: Site, name: str, roles: list[str], participant: str, code: str) -> None:
    site.user("taken", "operator")
    with site.writer.begin() as connection, pytest.raises(Conflict, match=code):
        accounts.add_user(connection, name, roles, participant, HASH, 1.0)


def test_programs_that_cannot_be(site: Site) -> None:
    digest = token_digest(new_token())
    with site.writer.begin() as connection:
        for role in ("administrator", "feed", "subscriber"):
            with pytest.raises(Conflict):
                accounts.add_client(connection, "p", [role], "", digest, 1.0)


@pytest.mark.parametrize("kept", ["", PASSWORD, "sha256:zz", "scrypt:1:2:3:x:y", "sha256:" + "0" * 64 + " x"])
def test_a_plain_secret_is_never_stored(site: Site, kept: str) -> None:
    site.user("alice", "operator")
    site.feed("north")
    with site.writer.begin() as connection:
        for refused in (
            lambda: accounts.add_user(connection, "bob", ["operator"], "", kept, 1.0),
            lambda: accounts.add_client(connection, "p", ["metrics"], "", kept, 1.0),
            lambda: accounts.set_password(connection, "alice", kept),
            lambda: accounts.replace_token(connection, "feed/north", kept, False),
            lambda: accounts.register_feed(connection, "south", kept, 1.0),
        ):
            with pytest.raises(Conflict, match="bad-secret"):
                refused()


def test_passwords() -> None:
    assert password_matches(PASSWORD, HASH)
    assert not password_matches(PASSWORD + " ", HASH)
    assert password_hash(PASSWORD) != HASH
    # the same letters typed as one and as two code points
    assert password_matches("caf\u00e9 caf\u00e9 x", password_hash("cafe\u0301 cafe\u0301 x"))
    assert not password_matches("", NOBODY)
    for kept in ("", "sha256:x", "scrypt:14:8:5:!:!", "scrypt:99:8:5:AAAA:AAAA", "a:b:c:d:e:f"):
        assert not password_matches(PASSWORD, kept)
    for weak in ("short", "x" * 257):
        with pytest.raises(Conflict, match="weak-password"):
            check_password(weak)


def test_every_role_has_its_capabilities_and_every_capability_a_role() -> None:
    assert set(CAPABILITIES) == set(Role)
    assert frozenset().union(*CAPABILITIES.values()) == set(Capability)


def test_who_must_not_see_content() -> None:
    content = {
        Capability.CONTENT_READ, Capability.EXPLAIN, Capability.RECORD_READ, Capability.EXPORT, Capability.REVIEW_READ,
        Capability.EMERGENCY_ACCESS,
    }  # fmt: skip
    for role in (Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR, Role.METRICS, Role.FEED):
        assert not CAPABILITIES[role] & content
    changing = {c for c in Capability if not c.value.endswith("-read")}
    assert not CAPABILITIES[Role.AUDITOR] & changing
    assert CAPABILITIES[Role.FEED] == {Capability.INTAKE_SUBMIT}
    assert [r for r in Role if Capability.ACCESS_MANAGE in CAPABILITIES[r]] == [Role.ADMINISTRATOR]
    assert not FOR_PROGRAMS & {Role.ADMINISTRATOR}


def test_feeds_get_tokens_once_in_files_of_their_own(site: Site, tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    with site.writer.begin() as connection:
        assert ensure_feed_tokens(connection, ["north", "south"], secrets, 1.0) == ["north", "south"]
        assert ensure_feed_tokens(connection, ["north", "south"], secrets, 1.0) == []
    site.clock.now += 1
    file = token_path(secrets, "north")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    assert site.authenticator.authenticate({"authorization": f"Bearer {read_token(file)}"}).feed == "north"
    assert read_token(file) != read_token(token_path(secrets, "south"))
    # handed over and deleted: nothing is made behind the operator's back
    file.unlink()
    with site.writer.begin() as connection:
        assert ensure_feed_tokens(connection, ["north"], secrets, 1.0) == []
    assert not file.exists()


def test_a_token_file_outlives_the_database(site: Site, tmp_path: Path) -> None:
    """Killed between the file and the commit, or the database was lost: the sender's token stays good."""
    connection = site.writer.connect()
    transaction = connection.begin()
    ensure_feed_tokens(connection, ["north"], tmp_path, 1.0)
    transaction.rollback()
    connection.close()
    token = read_token(token_path(tmp_path, "north"))
    with site.writer.begin() as connection:
        assert ensure_feed_tokens(connection, ["north"], tmp_path, 1.0) == ["north"]
    site.clock.now += 1
    assert site.authenticator.authenticate({"authorization": f"Bearer {token}"}).feed == "north"


@pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 40])
def test_a_damaged_token_file_is_said(site: Site, tmp_path: Path, content: bytes) -> None:
    token_path(tmp_path, "north").write_bytes(content)
    token_path(tmp_path, "north").chmod(0o600)
    with site.writer.begin() as connection, pytest.raises(ConfigurationError):
        ensure_feed_tokens(connection, ["north"], tmp_path, 1.0)


def test_a_token_others_can_read_is_refused(tmp_path: Path) -> None:
    token_path(tmp_path, "north").write_text(new_token())
    token_path(tmp_path, "north").chmod(0o644)
    with pytest.raises(ConfigurationError, match="token-open"):
        read_token(token_path(tmp_path, "north"))


def test_every_change_leaves_its_line_and_no_secret(site: Site) -> None:
    trail = Trail(site.writer, Chain("node"))
    digest, id = token_digest(new_token()), "ab" * 32
    steps = [
        ("add-user", {"name": "alice", "roles": ["operator"], "secret": HASH}),
        ("add-user", {"name": "root", "roles": ["administrator"], "secret": HASH}),
        ("add-client", {"name": "p", "roles": ["metrics"], "secret": digest}),
        ("add-feed", {"feed": "north", "secret": token_digest(new_token())}),
        ("set-roles", {"name": "alice", "roles": ["auditor"]}),
        ("set-password", {"name": "alice", "secret": HASH}),
        ("replace-token", {"name": "p", "secret": digest, "keep_old": True}),
        ("retire-token", {"name": "p"}),
        ("open-session", {"id": id, "name": "alice", "address": "10.0.0.1"}),
        ("touch-session", {"id": id}),
        ("close-session", {"id": id}),
        ("login-failed", {"name": "alice", "address": "10.0.0.1"}),
        ("login-failed", {"name": "hunter2hunter2", "address": "10.0.0.1"}),
        ("disable", {"name": "alice"}),
        ("enable", {"name": "alice"}),
        ("reset-administrator", {"secret": HASH}),
    ]
    assert {name for name, _ in steps} == set(changes.CHANGES)
    answers = []
    for name, arguments in steps:
        with site.writer.begin() as connection:
            answers.append(changes.apply(connection, trail, "user:root", name, arguments))
    with site.reader.connect() as connection:
        lines = connection.execute(select(audit).order_by(audit.c.seq)).all()
    kinds = ["administration"] * 8 + ["login"] * 2 + ["login-failed"] * 2 + ["administration"] * 3
    assert [line.kind for line in lines] == kinds
    assert {line.actor for line in lines} == {"user:root"}
    written = str([line.body for line in lines]) + str(answers)
    for secret in (HASH, digest, id, "hunter2"):
        assert secret not in written


@pytest.mark.parametrize(
    ("change", "arguments", "error"),
    [
        ("add-everything", {}, NotFound),
        ("disable", {}, Conflict),
        ("disable", {"name": "nobody"}, NotFound),
        ("disable", {"name": "x", "now": 5}, Conflict),
        ("add-user", {"name": "a", "roles": ["operator"], "secret": "plain"}, Conflict),
        ("open-session", {"id": "ab", "name": "nobody"}, NotFound),
        ("open-session", {"id": "zz", "name": "nobody"}, HieError),
        ("set-password", {"name": "feed/north", "secret": HASH}, Conflict),
        ("set-roles", {"name": "feed/north", "roles": ["operator"]}, Conflict),
    ],
)
def test_a_change_that_cannot_be_leaves_nothing(
    site: Site, change: str, arguments: dict[str, object], error: type[HieError]
) -> None:
    site.feed("north")
    trail = Trail(site.writer, Chain("node"))
    with pytest.raises(error), site.writer.begin() as connection:
        changes.apply(connection, trail, "user:root", change, arguments)
    with site.reader.connect() as connection:
        assert connection.execute(select(audit)).all() == []


def test_roles_and_capabilities_are_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "operate" / "access.md").read_text()
    for name in (*Role, *Capability):
        assert f"`{name.value}`" in page
