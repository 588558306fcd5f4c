"""Seals cover committed heads only, survive crashes of their own, and keep their key to themselves."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine

from hie.audit.chain import Chain
from hie.audit.events import Kind, event
from hie.audit.key import SealKey, key_path, last_seal
from hie.audit.seal import Sealer, parse, seals_path
from hie.audit.verify import verify
from hie.errors import ConfigurationError, HieError, StoreUnavailable

START = event(Kind.START, "node", {}, at=1.0)


@pytest.fixture
def sealer(var: Path, reader: Engine) -> Sealer:
    return Sealer(reader, seals_path(var), SealKey.open(key_path(var), create=True), lambda: 60.0)


def append(engine: Engine, chain: str = "engine") -> None:
    with engine.begin() as connection:
        Chain(chain).append(connection, [START])


def test_only_what_is_committed_is_sealed(engine: Engine, sealer: Sealer, chain: Chain) -> None:
    append(engine)
    with engine.begin() as connection:
        chain.append(connection, [START])
        seal = sealer.seal()
    assert seal is not None
    assert [(h.chain, h.seq, h.rows) for h in seal.heads] == [("engine", 1, 1)]


def test_all_chains_are_in_one_seal(engine: Engine, sealer: Sealer) -> None:
    append(engine, "b")
    append(engine, "a")
    append(engine, "b")
    seal = sealer.seal()
    assert seal is not None
    assert [(h.chain, h.seq) for h in seal.heads] == [("a", 1), ("b", 2)]


def test_nothing_new_makes_no_seal(engine: Engine, sealer: Sealer) -> None:
    append(engine)
    assert sealer.seal() is not None
    assert sealer.seal() is None


def test_a_restart_goes_on_where_the_file_ends(engine: Engine, reader: Engine, var: Path, sealer: Sealer) -> None:
    append(engine)
    first = sealer.seal()
    append(engine)
    again = Sealer(reader, seals_path(var), SealKey.open(key_path(var))).seal()
    assert first is not None
    assert again is not None
    assert (again.n, again.previous, again.heads[0].rows) == (2, first.hash, 2)


def test_killed_between_the_seal_and_its_note(engine: Engine, reader: Engine, var: Path, sealer: Sealer) -> None:
    append(engine)
    sealer.seal()
    append(engine)
    note = key_path(var).with_name("seal.last")
    before = note.read_bytes()
    sealer.seal()
    note.write_bytes(before)
    append(engine)
    assert sealer.seal() is not None
    with reader.connect() as connection:
        key = SealKey.open(key_path(var))
        assert verify(connection, seals_path(var), key.public, key.last).finding is None


def test_killed_in_the_middle_of_a_line(engine: Engine, reader: Engine, var: Path, sealer: Sealer) -> None:
    append(engine)
    sealer.seal()
    append(engine)
    with seals_path(var).open("ab") as file:
        file.write(b'{"at":120.0,"heads":[{"cha')
    key = SealKey.open(key_path(var))
    with reader.connect() as connection:
        report = verify(connection, seals_path(var), key.public, key.last)
        assert report.finding is None
        assert "incomplete" in report.notes[0]
    seal = sealer.seal()
    assert seal is not None
    assert seal.n == 2
    with reader.connect() as connection:
        assert verify(connection, seals_path(var), key.public, key.last).finding is None


def test_a_seal_that_cannot_be_written_is_an_error(engine: Engine, var: Path, sealer: Sealer) -> None:
    append(engine)
    (var / "audit").write_bytes(b"a file where the directory belongs")
    with pytest.raises(StoreUnavailable):
        sealer.seal()


def test_the_key_is_private_and_made_once(var: Path, engine: Engine) -> None:
    file = key_path(var)
    first = SealKey.open(file, create=True)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    assert SealKey.open(file, create=True).public == first.public
    assert first.public not in file.read_text()


def test_a_key_that_others_may_read_is_refused(var: Path, engine: Engine) -> None:
    SealKey.open(key_path(var), create=True)
    key_path(var).chmod(0o640)
    with pytest.raises(ConfigurationError, match="seal-key-open"):
        SealKey.open(key_path(var))


@pytest.mark.parametrize("content", [b"", b"zz", b"00" * 31, b"\xff\xfe"])
def test_a_damaged_key_is_refused(var: Path, engine: Engine, content: bytes) -> None:
    SealKey.open(key_path(var), create=True)
    key_path(var).write_bytes(content)
    with pytest.raises(ConfigurationError, match="bad-seal-key"):
        SealKey.open(key_path(var))


def test_a_missing_key_is_not_made_by_the_way(var: Path, engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="no-seal-key"):
        SealKey.open(key_path(var))
    assert last_seal(key_path(var)) == (0, "")


def test_a_line_is_what_was_signed(engine: Engine, var: Path, sealer: Sealer) -> None:
    append(engine)
    made = sealer.seal()
    assert made == parse(seals_path(var).read_bytes().rstrip(b"\n"))


def test_it_keeps_sealing_and_says_when_it_cannot(engine: Engine, var: Path, sealer: Sealer) -> None:
    failures: list[HieError] = []

    async def scenario() -> None:
        task = asyncio.create_task(sealer.keep(failures.append, every=0.01))
        append(engine)
        await asyncio.sleep(0.2)
        seals_path(var).unlink()
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert last_seal(key_path(var))[0] == 1
    assert failures
    assert {f.code for f in failures} == {"audit-broken"}
