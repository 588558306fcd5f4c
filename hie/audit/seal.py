"""Seals: once a minute the heads of all chains, signed, one JSON line in a file outside the database.

A seal says: at this time the chains ended here and held so many records. Each names the hash of the seal before it.
Only committed heads are sealed (they are read over a connection of their own), and nothing is sealed on top of a
record or a seal that is no longer what was sealed before: that would sign somebody's forgery.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import Connection, Engine, func, select

from hie.audit.chain import Chain, chains
from hie.audit.key import SealKey
from hie.errors import HieError, StoreUnavailable
from hie.store.tables import audit

EVERY = 60.0


class SealBroken(HieError):
    """What was sealed is no longer there: `hie audit verify` says where, and nothing is sealed until a person looked."""

    code = "audit-broken"


def seals_path(var: Path) -> Path:
    return var / "audit" / "seals.jsonl"


@dataclass(frozen=True, slots=True)
class SealedHead:
    chain: str
    seq: int
    hash: str
    rows: int


@dataclass(frozen=True, slots=True)
class Seal:
    """One line of the seal file. `n` counts from 1; `previous` and `hash` are sha256 of whole lines, in hex."""

    n: int
    at: float
    heads: tuple[SealedHead, ...]
    previous: str
    key: str
    signature: str
    hash: str = ""

    def signed_part(self) -> bytes:
        heads = [{"chain": h.chain, "seq": h.seq, "hash": h.hash, "rows": h.rows} for h in self.heads]
        content = {"n": self.n, "at": self.at, "heads": heads, "previous": self.previous, "key": self.key}
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)

    def line(self) -> bytes:
        content = orjson.loads(self.signed_part()) | {"signature": self.signature}
        return orjson.dumps(content, option=orjson.OPT_SORT_KEYS)


def parse(line: bytes) -> Seal:
    """A line of the seal file. Raises ValueError where it is none, or is not byte for byte what a sealer writes."""
    try:
        found: dict[str, Any] = orjson.loads(line)
        heads = tuple(SealedHead(h["chain"], h["seq"], h["hash"], h["rows"]) for h in found["heads"])
        digest = hashlib.sha256(line).hexdigest()
        seal = Seal(found["n"], found["at"], heads, found["previous"], found["key"], found["signature"], digest)
    except (KeyError, TypeError) as error:
        raise ValueError("not a seal") from error
    if seal.line() != line:
        raise ValueError("not as a sealer writes it")
    return seal


def heads(connection: Connection) -> dict[str, tuple[int, str]]:
    """Committed end of every chain: seq and hash in hex."""
    found = {}
    for chain in chains(connection):
        head = Chain(chain).head(connection)
        found[chain] = (head.seq, head.hash.hex())
    return found


class Sealer:
    """Signs the heads. `reader` is an engine that sees only what is committed (hie.store.database.open_reader)."""

    def __init__(self, reader: Engine, file: Path, key: SealKey, clock: Callable[[], float] = time.time) -> None:
        self._reader = reader
        self._file = file
        self._key = key
        self._clock = clock

    def seal(self) -> Seal | None:
        """Appends one seal; None where nothing was written since the last. Raises SealBroken, StoreUnavailable."""
        try:
            last = self._last()
            with self._reader.connect() as connection:
                found = self._heads_after(connection, last)
        except OSError:
            raise StoreUnavailable("the seal file cannot be read", hint="check its permissions") from None
        if last is not None and found == last.heads:
            return None
        number, previous = (last.n + 1, last.hash) if last else (1, "")
        seal = Seal(number, round(self._clock(), 3), found, previous, self._key.public, "")
        line = Seal(seal.n, seal.at, seal.heads, seal.previous, seal.key, self._key.sign(seal.signed_part())).line()
        self._append(line)
        made = parse(line)
        self._key.remember(made.n, made.hash)
        return made

    async def keep(self, failed: Callable[[HieError], None], every: float = EVERY) -> None:
        """Seals every `every` seconds until cancelled, off the event loop; `failed` hears of each seal not made."""
        while True:
            try:
                await asyncio.to_thread(self.seal)
            except HieError as error:
                failed(error)
            await asyncio.sleep(every)

    def _last(self) -> Seal | None:
        number, digest = self._key.last
        lines = self._lines()
        if not lines:
            if number:
                raise SealBroken(f"the seal file is gone or empty, but {number} seals were made", hint=HINT)
            return None
        try:
            last = parse(lines[-1])
        except ValueError:
            raise SealBroken("the last seal in the seal file is damaged", hint=HINT) from None
        # one more than remembered: killed between the append and the note
        if not ((last.n, last.hash) == (number, digest) or (last.n == number + 1 and last.previous == digest)):
            raise SealBroken(f"the seal file ends with seal {last.n}, the last one made was {number}", hint=HINT)
        return last

    def _lines(self) -> list[bytes]:
        """The last complete line; a line cut short by a crash is taken away, for it never became a seal."""
        if not self._file.exists():
            return []
        with self._file.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            back = min(size, 1 << 16)
            file.seek(size - back)
            tail = file.read(back)
            complete = tail.rfind(b"\n") + 1
            if complete < len(tail):
                file.truncate(size - back + complete)
            return tail[:complete].splitlines()[-1:]

    def _heads_after(self, connection: Connection, last: Seal | None) -> tuple[SealedHead, ...]:
        before = {h.chain: h for h in last.heads} if last else {}
        now = heads(connection)
        for chain, head in before.items():
            row = connection.execute(
                select(audit.c.hash).where(audit.c.chain == chain, audit.c.seq == head.seq)
            ).scalar_one_or_none()
            if row is None or bytes(row).hex() != head.hash:
                raise SealBroken(f"record {head.seq} of chain {chain} is not the one that was sealed", hint=HINT)
        sealed = []
        for chain in sorted(now):
            seq, digest = now[chain]
            since = before.get(chain)
            new = select(func.count()).where(audit.c.chain == chain, audit.c.seq > (since.seq if since else 0))
            rows = (since.rows if since else 0) + int(connection.execute(new).scalar_one())
            sealed.append(SealedHead(chain, seq, digest, rows))
        return tuple(sealed)

    def _append(self, line: bytes) -> None:
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with self._file.open("ab") as file:
                file.write(line + b"\n")
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            raise StoreUnavailable("the seal could not be written", hint="check disk space and permissions") from None


HINT = "run `hie audit verify`; docs/operate/audit.md says how to go on"
