"""A database with the real tables, some credentials in it, and a clock that tests move."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, Engine

from hie.access import accounts
from hie.access.authenticate import Authenticator
from hie.access.credentials import new_token, password_hash, token_digest
from hie.access.directory import Directory
from hie.access.throttle import Throttle
from hie.store.database import open_reader, open_writer
from tests.databases import Database

PASSWORD = "four words of mine"
HASH = password_hash(PASSWORD)


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Site:
    """Credentials of every kind: `tokens` by name, the password is PASSWORD for every person."""

    def __init__(self, writer: Engine, reader: Engine) -> None:
        self.clock = Clock()
        self.writer, self.reader = writer, reader
        self.tokens: dict[str, str] = {}
        self.authenticator = Authenticator(
            reader,
            directory=Directory(reader, clock=self.clock),
            throttle=Throttle(self.clock),
            clock=self.clock,
        )

    def change(self, work: Callable[[Connection], object]) -> None:
        with self.writer.begin() as connection:
            work(connection)
        self.clock.now += 1

    def user(self, name: str, *roles: str, participant: str = "") -> None:
        self.change(lambda c: accounts.add_user(c, name, roles, participant, HASH, self.clock.now))

    def client(self, name: str, *roles: str, participant: str = "") -> str:
        token = self.tokens[name] = new_token()
        self.change(lambda c: accounts.add_client(c, name, roles, participant, token_digest(token), self.clock.now))
        return token

    def feed(self, name: str) -> str:
        token = self.tokens[name] = new_token()
        self.change(lambda c: accounts.register_feed(c, name, token_digest(token), self.clock.now))
        return token


@pytest.fixture
def writer(tmp_path: Path, database: Database) -> Iterator[Engine]:
    engine = open_writer(database.migrated(tmp_path))
    yield engine
    engine.dispose()


@pytest.fixture
def site(writer: Engine, tmp_path: Path, database: Database) -> Iterator[Site]:
    reader = open_reader(database.url(tmp_path))
    yield Site(writer, reader)
    reader.dispose()
