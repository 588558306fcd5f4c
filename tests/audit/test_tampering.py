"""Somebody edits the database, or the seal file, with other tools than ours. Each way is found and named."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest
from sqlalchemy import Connection, Engine

from hie.audit.chain import GENESIS, Chain, digest
from hie.audit.events import Kind, event
from hie.audit.key import SealKey, key_path
from hie.audit.seal import SealBroken, Sealer, seals_path
from hie.audit.verify import Finding, Report, verify
from tests.databases import run


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        self.now += 60
        return self.now


class Log:
    """Three seals over 10, 20 and 30 records, then 5 records that no seal covers."""

    def __init__(self, var: Path, engine: Engine, reader: Engine) -> None:
        self.var, self.engine, self.reader = var, engine, reader
        self.key = SealKey.open(key_path(var), create=True)
        self.seals = seals_path(var)
        self.sealer = Sealer(reader, self.seals, self.key, Clock())
        for _ in range(3):
            self.write(10)
            assert self.sealer.seal() is not None
        self.write(5)

    def write(self, count: int) -> None:
        with self.engine.begin() as connection:
            Chain("engine").append(
                connection, [event(Kind.PROCESSED, "node", {"message": f"m{i}"}, at=1.5 + i) for i in range(count)]
            )

    def verify(self, last: bool = True) -> Report:
        with self.reader.connect() as connection:
            return verify(connection, self.seals, self.key.public, self.key.last if last else None)

    def found(self, last: bool = True) -> Finding:
        finding = self.verify(last).finding
        assert finding is not None, "nothing was found"
        assert finding.text.endswith(".")
        return finding

    def edit(self, change: Callable[[Connection], object]) -> None:
        with self.engine.begin() as connection:
            change(connection)


@pytest.fixture
def log(var: Path, engine: Engine, reader: Engine) -> Log:
    return Log(var, engine, reader)


def recompute(connection: Connection, chain: str = "engine") -> None:
    """What a forger with our source code does: gaps closed, every hash made anew."""
    rows = run(connection, "SELECT * FROM audit WHERE chain=? ORDER BY seq", chain).fetchall()
    run(connection, "DELETE FROM audit WHERE chain=?", chain)
    previous = GENESIS
    for seq, (_, __, at, kind, actor, body, ___, ____) in enumerate(rows, 1):
        now = digest(previous, chain, seq, at, kind, actor, body)
        run(connection, "INSERT INTO audit VALUES (?,?,?,?,?,?,?,?)", chain, seq, at, kind, actor, body, previous, now)
        previous = now


def test_an_untouched_log_is_intact(log: Log) -> None:
    report = log.verify()
    assert report.finding is None
    assert (report.records, report.seals, report.unsealed) == ({"engine": 35}, 3, 5)
    assert report.notes == []


@pytest.mark.parametrize(
    ("column", "value"), [("body", "{}"), ("actor", "user:x"), ("kind", "stop"), ("at", 9.0), ("hash", b"x" * 32)]
)
@pytest.mark.parametrize("seq", [1, 17, 30, 35])
def test_a_changed_record(log: Log, column: str, value: object, seq: int) -> None:
    log.edit(lambda c: run(c, f"UPDATE audit SET {column}=? WHERE seq=?", value, seq))
    found = log.found()
    assert (found.code, found.chain, found.seq) == ("changed", "engine", seq)


def test_a_changed_record_with_its_own_hash_made_to_fit(log: Log) -> None:
    def change(c: Connection) -> None:
        seq, at, kind, actor, previous = run(c, "SELECT seq,at,kind,actor,previous FROM audit WHERE seq=17").fetchone()
        now = digest(previous, "engine", seq, at, kind, actor, "{}")
        run(c, "UPDATE audit SET body='{}', hash=? WHERE seq=17", now)

    log.edit(change)
    assert (log.found().code, log.found().seq) == ("broken-link", 18)


@pytest.mark.parametrize("seq", [1, 2, 17, 30])
def test_a_removed_record(log: Log, seq: int) -> None:
    log.edit(lambda c: run(c, "DELETE FROM audit WHERE seq=?", seq))
    assert (log.found().code, log.found().seq) == ("removed", seq)


def test_an_inserted_record(log: Log) -> None:
    def change(c: Connection) -> None:
        run(c, "UPDATE audit SET seq=seq+1000 WHERE seq>=17")
        run(c, "UPDATE audit SET seq=seq-999 WHERE seq>=1000")
        previous = run(c, "SELECT hash FROM audit WHERE seq=16").fetchone()[0]
        now = digest(previous, "engine", 17, 5.0, "stop", "node", "{}")
        run(c, "INSERT INTO audit VALUES ('engine',17,5.0,'stop','node','{}',?,?)", previous, now)

    log.edit(change)
    assert (log.found().code, log.found().seq) == ("broken-link", 18)


def test_a_record_before_the_first(log: Log) -> None:
    log.edit(lambda c: run(c, "INSERT INTO audit VALUES ('engine',0,5.0,'stop','node','{}',?,?)", GENESIS, GENESIS))
    assert log.found().code == "inserted"


@pytest.mark.parametrize("left", [0, 9, 20, 29])
def test_a_cut_tail(log: Log, left: int) -> None:
    log.edit(lambda c: run(c, "DELETE FROM audit WHERE seq>?", left))
    assert (log.found().code, log.found().seq) == ("cut", left + 1)
    assert f"ends at record {left}" in log.found().text


@pytest.mark.parametrize("seq", [1, 17, 30])
def test_a_rewrite_of_everything_with_recomputed_hashes(log: Log, seq: int) -> None:
    def change(c: Connection) -> None:
        run(c, "UPDATE audit SET body='{}' WHERE seq=?", seq)
        recompute(c)

    log.edit(change)
    found = log.found()
    # the first seal that covers the change is the first bad place
    assert (found.code, found.seq) == ("rewritten", -(-seq // 10) * 10)


def test_a_record_taken_out_of_a_recomputed_chain(log: Log) -> None:
    def change(c: Connection) -> None:
        run(c, "DELETE FROM audit WHERE seq=17")
        recompute(c)

    log.edit(change)
    assert log.found().code == "rewritten"


def test_a_whole_chain_that_is_gone(log: Log) -> None:
    log.edit(lambda c: run(c, "DELETE FROM audit"))
    assert log.found().code == "cut"


def test_what_no_seal_covers_yet_is_counted_not_trusted(log: Log) -> None:
    log.edit(lambda c: run(c, "DELETE FROM audit WHERE seq>31"))
    report = log.verify()
    assert (report.finding, report.unsealed) == (None, 1)


def lines(log: Log) -> list[bytes]:
    return log.seals.read_bytes().splitlines()


def put(log: Log, content: list[bytes]) -> None:
    log.seals.write_bytes(b"".join(line + b"\n" for line in content))


def test_a_seal_that_was_changed(log: Log) -> None:
    changed = lines(log)
    changed[1] = changed[1].replace(b'"rows":20', b'"rows":21')
    put(log, changed)
    assert log.found().code == "seal-signature"


def test_a_seal_signed_with_another_key(log: Log, tmp_path: Path) -> None:
    """A forger without the key rewrites the log and seals it anew."""
    log.edit(lambda c: run(c, "UPDATE audit SET body='{}' WHERE seq=17"))
    log.edit(recompute)
    log.seals.unlink()
    other = SealKey.open(tmp_path / "other" / "seal.key", create=True)
    assert Sealer(log.reader, log.seals, other, Clock()).seal() is not None
    assert log.found().code == "seal-key"
    forged = orjson.loads(lines(log)[0]) | {"key": log.key.public}
    put(log, [orjson.dumps(forged, option=orjson.OPT_SORT_KEYS)])
    assert log.found().code == "seal-signature"


@pytest.mark.parametrize("gone", [0, 1])
def test_a_seal_taken_out(log: Log, gone: int) -> None:
    left = lines(log)
    del left[gone]
    put(log, left)
    assert log.found().code == "seal-missing"


@pytest.mark.parametrize("left", [0, 1, 2])
def test_seals_cut_off_together_with_a_rewrite(log: Log, left: int) -> None:
    log.edit(lambda c: run(c, "UPDATE audit SET body='{}' WHERE seq=27"))
    log.edit(recompute)
    put(log, lines(log)[:left])
    assert log.found().code == "seal-cut"


def test_the_whole_seal_file_gone(log: Log) -> None:
    log.seals.unlink()
    assert log.found().code == "seal-cut"


def test_a_line_that_is_no_seal(log: Log) -> None:
    for line in (b"", b"[]", b"{}", b"garbage", lines(log)[1] + b" "):
        put(log, [lines(log)[0], line])
        assert log.found().code == "seal-damaged"
        put(log, [lines(log)[0]])


def test_seals_of_another_day_put_in_place(log: Log) -> None:
    """An older, valid seal file of the same key with another history."""
    first = lines(log)[0]
    seal = orjson.loads(lines(log)[1])
    seal["previous"] = hashlib.sha256(b"another").hexdigest()
    put(log, [first, orjson.dumps(seal, option=orjson.OPT_SORT_KEYS)])
    assert log.found(last=False).code == "seal-order"


def test_a_copy_elsewhere_needs_only_the_public_key(log: Log) -> None:
    assert log.verify(last=False).finding is None
    put(log, lines(log)[:2])
    report = log.verify(last=False)
    assert (report.finding, report.unsealed) == (None, 15)


def test_the_sealer_signs_nothing_on_top_of_a_forgery(log: Log) -> None:
    log.edit(lambda c: run(c, "UPDATE audit SET body='{}' WHERE seq=27"))
    log.edit(recompute)
    with pytest.raises(SealBroken, match="record 30"):
        log.sealer.seal()
    assert len(lines(log)) == 3


@pytest.mark.parametrize("left", [0, 1, 2])
def test_the_sealer_goes_on_after_no_cut_seal_file(log: Log, left: int) -> None:
    put(log, lines(log)[:left])
    with pytest.raises(SealBroken):
        log.sealer.seal()
