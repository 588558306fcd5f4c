"""Logs carry what is allowed and nothing else."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from hie import logs
from hie.errors import StoreUnavailable

CANARY = "ZZCANARYZZ"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    logs.configure(stream=stream)
    yield stream
    logs.configure()


def read(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.invariant(8)
def test_only_allowed_keys_pass(lines: io.StringIO) -> None:
    logs.get_logger("hie.x").warning(
        "refused", feed="north", seconds=1.5, patient=CANARY, raw=CANARY.encode(), code=[CANARY]
    )
    logging.getLogger("adapters.y").error("refused", extra={"peer": "10.0.0.1", "payload": CANARY})
    first, second = read(lines)
    assert (first["event"], first["feed"], first["seconds"], first["level"]) == ("refused", "north", 1.5, "warning")
    assert (first["patient"], first["raw"], first["code"]) == (logs.MASK, logs.MASK, logs.MASK)
    assert (second["peer"], second["payload"]) == ("10.0.0.1", logs.MASK)
    assert CANARY not in lines.getvalue()


@pytest.mark.invariant(8)
def test_exceptions_show_type_and_place_only(lines: io.StringIO) -> None:
    log = logs.get_logger("hie.x")
    for error in (ValueError(CANARY), StoreUnavailable("the disk is full")):
        try:
            raise error
        except Exception:
            log.exception("failed")
            logging.getLogger("hie.y").exception("failed")
            logging.getLogger("asyncio").error("Exception in %s", CANARY, exc_info=True)
    found = read(lines)
    assert CANARY not in lines.getvalue()
    assert [line["error"] for line in found] == ["ValueError"] * 3 + ["StoreUnavailable"] * 3
    assert all("test_exceptions" in str(line["where"]) for line in found)
    assert found[3]["code"] == "store-unavailable"
    assert found[3]["text"] == "the disk is full"


@pytest.mark.invariant(8)
def test_what_other_libraries_say_is_not_repeated(lines: io.StringIO) -> None:
    logging.getLogger("httpx").warning("HTTP Request: GET https://x/Patient?name=%s", CANARY)
    (line,) = read(lines)
    assert (line["event"], line["logger"], line["level"]) == (logs.MASK, "httpx", "warning")
    assert CANARY not in lines.getvalue()


@pytest.mark.broken(8)
def test_without_the_allow_list_the_canary_is_seen(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "redact", lambda logger, method, event: event)
    logs.configure(stream=lines)
    logs.get_logger("hie.x").warning("refused", patient=CANARY)
    assert CANARY in lines.getvalue()
