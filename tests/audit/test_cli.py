"""`hie audit` and `hie access` as an operator calls them, on a database without a running node, and with an engine."""

from __future__ import annotations

import argparse
import io
import socket
import threading
from pathlib import Path

import orjson
import pytest
from sqlalchemy import select

from hie import identify
from hie.access.authenticate import Authenticator
from hie.audit.chain import Chain
from hie.audit.events import Kind, event
from hie.audit.key import SealKey, key_path
from hie.audit.seal import Sealer, seals_path
from hie.cli import access, audit
from hie.control import socket_path
from hie.errors import ConfigurationError, Conflict, HieError, StoreUnavailable
from hie.model import Envelope, Identifier, Keys
from hie.store import tables
from hie.store.database import open_reader, open_writer
from tests.databases import Database

CONFIGURATION = """\
participants:
  - {name: north, title: North Hospital}
feeds:
  - {name: north, participant: north, source: {kind: http}}
"""


@pytest.fixture
def url(tmp_path: Path, database: Database) -> str:
    return database.migrated(tmp_path / "var")


@pytest.fixture
def config(tmp_path: Path, database: Database, url: str) -> Path:
    """A node that has been started once."""
    file = tmp_path / "hie.yaml"
    file.write_text(f'database: "{database.setting}"\n{CONFIGURATION}')
    var = tmp_path / "var"
    engine = open_writer(url)
    with engine.begin() as connection:
        Chain("node").append(connection, [event(Kind.START, "node", {}), event(Kind.STOP, "node", {})])
    engine.dispose()
    reader = open_reader(url)
    Sealer(reader, seals_path(var), SealKey.open(key_path(var), create=True)).seal()
    reader.dispose()
    return file


def call(module: object, *words: str) -> int:
    parser = argparse.ArgumentParser()
    module.configure(parser)  # type: ignore[attr-defined]
    return int(module.run(parser.parse_args(words)))  # type: ignore[attr-defined]


def test_an_intact_log(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(audit, "verify", "--config", str(config)) == 0
    assert capsys.readouterr().out == "Intact: 2 records in 1 chains, 1 seals.\n"
    assert call(audit, "verify", "--config", str(config), "--json") == 0
    found = orjson.loads(capsys.readouterr().out)
    assert (found["intact"], found["records"], found["seals"]) == (True, {"node": 2}, 1)


def test_a_broken_log_is_one_sentence_and_exit_1(config: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_writer(url)
    with engine.begin() as connection:
        connection.execute(tables.audit.update().where(tables.audit.c.seq == 2).values(actor="user:mallory"))
    engine.dispose()
    assert call(audit, "verify", "--config", str(config)) == 1
    assert capsys.readouterr().out == (
        "NOT INTACT: Record 2 of chain node was changed: its content does not match its hash.\n"
    )


def test_checked_with_copies_kept_elsewhere(config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(audit, "key", "--config", str(config)) == 0
    public = capsys.readouterr().out.strip()
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(seals_path(config.parent / "var").read_bytes())
    for file in (config.parent / "var" / "keys").iterdir():
        file.unlink()
    arguments = ("verify", "--config", str(config), "--seals", str(copy), "--public-key", public)
    assert call(audit, *arguments) == 0
    assert call(audit, *arguments[:-1], "00" * 32) == 1
    with pytest.raises(ConfigurationError, match="no-seal-key"):
        call(audit, "verify", "--config", str(config))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_database_is_no_intact_log(config: Path, tmp_path: Path) -> None:
    (config.parent / "var" / "hie.db").unlink()
    with pytest.raises(ConfigurationError, match="no-database"):
        call(audit, "verify", "--config", str(config))
    (config.parent / "var" / "hie.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnavailable):
        call(audit, "verify", "--config", str(config))


def test_nobody_of_that_id(config: Path) -> None:
    with pytest.raises(HieError):
        call(audit, "accounting", "no-such-person", "--config", str(config))


def test_a_user_is_made_and_can_log_in(config: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(access, "add-user", "alice", "--role", "operator", "--config", str(config), "--json") == 0
    password = orjson.loads(capsys.readouterr().out)["password"]
    reader = open_reader(url)
    assert Authenticator(reader).login("alice", password, "a").name == "alice"
    with reader.connect() as connection:
        last = connection.execute(select(tables.audit).order_by(tables.audit.c.seq.desc())).first()
    reader.dispose()
    assert last is not None
    assert last.kind == "administration"
    assert last.actor.startswith("cli:")
    assert password not in last.body
    assert call(access, "list", "--config", str(config)) == 0
    listed = capsys.readouterr().out
    assert "alice" in listed
    assert "scrypt" not in listed
    assert call(audit, "verify", "--config", str(config)) == 0


def test_a_password_from_stdin_is_not_printed(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("correct horse battery\n"))
    words = ("add-user", "alice", "--role", "operator", "--password-stdin", "--config", str(config))
    assert call(access, *words) == 0
    assert "correct" not in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(Conflict, match="weak-password"):
        call(access, "set-password", "alice", "--password-stdin", "--config", str(config))


def test_a_feed_token_is_made_then_replaced(config: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    tokens = []
    for words in (("feed-token", "north"), ("feed-token", "north", "--keep-old")):
        assert call(access, *words, "--config", str(config), "--json") == 0
        tokens.append(orjson.loads(capsys.readouterr().out)["token"])
    reader = open_reader(url)
    authenticator = Authenticator(reader)
    for token in tokens:
        assert authenticator.authenticate({"authorization": f"Bearer {token}"}).feed == "north"
    reader.dispose()


def test_a_participant_nobody_knows(config: Path) -> None:
    words = ("add-client", "p", "--role", "subscriber", "--participant", "nort", "--config", str(config))
    with pytest.raises(Conflict, match="unknown-participant"):
        call(access, *words)


def test_while_the_node_runs_the_engine_is_asked(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An engine that answers on its socket gets the change, with the secret hashed; the database is left alone."""
    path = socket_path(config.parent / "var")
    path.parent.mkdir(parents=True)
    heard: list[dict[str, object]] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            while not heard:
                connection, _ = listener.accept()
                with connection, connection.makefile("rwb") as stream:
                    if line := stream.readline():
                        heard.append(orjson.loads(line))
                        stream.write(b'{"result":{}}\n')

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        assert call(access, "set-password", "alice", "--config", str(config)) == 0
        thread.join(5)
    shown = capsys.readouterr().out.rpartition(": ")[2].strip()
    assert heard[0]["command"] == "access"
    assert heard[0]["arguments"]["change"] == "set-password"  # type: ignore[index]
    assert shown
    assert shown not in str(heard)


def test_an_accounting_is_told_and_the_reading_recorded(
    config: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    engine = open_writer(url)
    patient = Identifier("urn:oid:1.2.3", "MR", "77")
    envelope = Envelope("m1", "north", "hl7v2", b"", bytes(32), 1.0, Keys("hl7v2", b"", "ADT^A01", ()))
    person = identify.person_of(
        {"resourceType": "Patient", "name": [{"family": "Orlov", "given": ["Vera"]}], "birthDate": "1951-02-03"}
    )
    with engine.begin() as connection:
        found = identify.Identity().attribute(connection, [("north", person, [patient], [], envelope)])[0]
        decision = {"released": {"Encounter": 1}, "withheld": {}, "rules": [], "reasons": []}
        connection.execute(
            tables.disclosure.insert().values(
                delivery_id=1,
                kind="push",
                at=1_750_000_000.0,
                state="delivered",
                eid=found.eid,
                mpi_record=found.mpi_record,
                source="north",
                recipient="north",
                purpose="PUBHLTH",
                epoch=1,
                policy="p",
                decision=orjson.dumps(decision),
            )
        )
    assert found.eid is not None
    assert call(audit, "accounting", found.eid, "--view", "six-years", "--config", str(config)) == 0
    assert capsys.readouterr().out == (
        "On 15 June 2025 your health record from North Hospital went to North Hospital for public health.\n"
    )
    assert call(audit, "accounting", found.eid, "--view", "part-2", "--language", "es", "--config", str(config)) == 0
    assert capsys.readouterr().out == "Nadie recibió sus datos en este período.\n"
    assert call(audit, "accounting", found.eid, "--json", "--config", str(config)) == 0
    assert orjson.loads(capsys.readouterr().out)["disclosures"] == 1
    with engine.begin() as connection:
        read = connection.execute(select(tables.audit).where(tables.audit.c.kind == "log-read")).all()
    engine.dispose()
    assert [orjson.loads(r.body)["view"] for r in read] == ["six-years", "part-2", "everything"]
    assert {orjson.loads(r.body)["eid"] for r in read} == {found.eid}


def test_the_answer_waits_for_the_record_that_it_was_asked(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(audit, "_note", refuse)
    monkeypatch.setattr(identify, "resolve", lambda connection, eid: eid)
    monkeypatch.setattr(identify, "members_of", lambda connection, eid: [1])
    with pytest.raises(StoreUnavailable):
        call(audit, "accounting", "E1", "--config", str(config))
    assert capsys.readouterr().out == ""
