"""A database of its own on a PostgreSQL server nearby, and what the server's processes spend on it."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

EVERY = 0.3
"""Seconds between two looks at the server's processes: one that ends in between takes its last moments along."""


@contextmanager
def temporary_database(url: str) -> Iterator[str]:
    """A new database on the server of `url`, dropped afterwards; answers its URL as a configuration names it."""
    parts = urlsplit(url)
    name = f"hie_bench_{secrets.token_hex(4)}"
    with psycopg.connect(urlunsplit(parts._replace(scheme="postgresql")), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
        try:
            yield urlunsplit(parts._replace(scheme="postgresql+psycopg", path=f"/{name}"))
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class ServerCpu:
    """CPU seconds of the backends of one database, of a server on this machine."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:", 1), autocommit=True)
        self._first: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._ended = threading.Event()
        self._look(first=True)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """Seconds since the beginning."""
        self._ended.set()
        self._thread.join()
        self._look()
        self._connection.close()
        ticks = sum(spent - self._first.get(pid, 0) for pid, spent in self._last.items())
        return ticks / os.sysconf("SC_CLK_TCK")

    def _run(self) -> None:
        while not self._ended.wait(EVERY):
            self._look()

    def _look(self, first: bool = False) -> None:
        rows = self._connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        for (pid,) in rows.fetchall():
            try:
                fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            spent = int(fields[11]) + int(fields[12])
            self._last[pid] = spent
            if first:
                self._first[pid] = spent
