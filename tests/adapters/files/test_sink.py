"""Files appear whole, once for each delivery, and replace nothing."""

from __future__ import annotations

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.files.name import name_of
from adapters.files.settings import FolderSink
from adapters.files.sink import Folder, connect
from hie.errors import PermanentRefusal, TemporaryFailure
from tests.adapters.files.inbox import Meter, adt

KEY = "0123456789abcdef0123456789abcdef"


def sink(folder: Path, **settings: Any) -> Folder:
    made = connect(FolderSink(folder=str(folder), **settings), Meter())
    assert isinstance(made, Folder)
    return made


def send(to: Folder, payload: bytes, key: str = KEY) -> str:
    async def story() -> str:
        try:
            return await to.send(payload, key)
        finally:
            await to.close()

    return asyncio.run(story())


def test_a_file_and_its_retry(tmp_path: Path) -> None:
    to = sink(tmp_path)
    assert to.idempotent
    assert send(to, adt(1)) == "written"
    assert send(to, adt(1)) == "present"
    assert os.listdir(tmp_path) == [f"{KEY}.hl7"]
    assert (tmp_path / f"{KEY}.hl7").read_bytes() == adt(1)
    assert stat.S_IMODE((tmp_path / f"{KEY}.hl7").stat().st_mode) == 0o640


@pytest.mark.parametrize(
    ("template", "payload", "name"),
    [
        ("{date}-{event}-{key}.{ending}", adt(1), "20260102-ADT_A08-k.hl7"),
        ("{key}", b'{"resourceType": "Bundle"}', "k"),
        ("{event}.{date}.{key}.{ending}", b'{"resourceType": "Bundle"}', "record.undated.k.json"),
        ("{event}-{date}-{key}", b"MSH|^~\\&|||||CANARY||CANARY/../x^JANE-DOE\r", "message-undated-k"),
        ("{event}-{date}-{key}", b"MSH", "message-undated-k"),
    ],
)
def test_names_say_nothing_of_the_patient(template: str, payload: bytes, name: str) -> None:
    assert name_of(template, payload, "k") == name
    assert "/" not in name_of(template, payload, "../../etc/passwd")


def test_another_file_of_that_name_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / f"{KEY}.hl7").write_bytes(b"somebody else's")
    with pytest.raises(PermanentRefusal) as refused:
        send(sink(tmp_path), adt(1))
    assert refused.value.code == "file-collision"
    assert (tmp_path / f"{KEY}.hl7").read_bytes() == b"somebody else's"
    assert os.listdir(tmp_path) == [f"{KEY}.hl7"]


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    """A reader that polls as fast as it can sees nothing or everything."""
    payload = adt(1) + b"OBX|" + b"x" * 20_000_000
    target, halves, stop = tmp_path / f"{KEY}.hl7", [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            if target.exists() and target.stat().st_size != len(payload):
                halves.append(target.stat().st_size)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        send(sink(tmp_path), payload)
    finally:
        stop.set()
        reader.join()
    assert halves == []
    assert target.read_bytes() == payload


def test_a_file_system_without_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "")

    monkeypatch.setattr(os, "link", refuse)
    assert send(sink(tmp_path), adt(1)) == "written"
    assert send(sink(tmp_path), adt(1)) == "present"
    assert os.listdir(tmp_path) == [f"{KEY}.hl7"]


def test_what_a_crash_left_is_written_over(tmp_path: Path) -> None:
    (tmp_path / f".{KEY}.hl7.part").write_bytes(b"half" * 1000)
    assert send(sink(tmp_path), adt(1)) == "written"
    assert (tmp_path / f"{KEY}.hl7").read_bytes() == adt(1)


def test_a_folder_that_is_missing_full_or_closed_is_tried_again(
    small_disk: Path, unprivileged: Callable[[], Path]
) -> None:
    def refused(folder: Path, payload: bytes = adt(1)) -> str:
        with pytest.raises(TemporaryFailure) as failure:
            send(sink(folder), payload)
        assert str(folder) not in str(failure.value)
        return failure.value.code

    assert refused(small_disk / "missing") == "folder-gone"
    assert not (small_disk / "missing").exists()
    assert refused(small_disk, b"MSH|" + b"x" * 300_000) == "folder-full"
    assert os.listdir(small_disk) == []
    assert send(sink(small_disk), adt(1)) == "written"
    folder = unprivileged()
    folder.chmod(0o500)
    assert refused(folder) == "folder-permission"
    folder.chmod(0o700)
    assert send(sink(folder), adt(1)) == "written"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "fixed.hl7"}, {"name": "{patient}-{key}"}, {"name": "{key}/x"}, {"name": ".{key}"}, {"name": "{key"},
        {"name": "{key!r}"}, {"mode": "999"}, {"folder": ""},
    ],
)  # fmt: skip
def test_settings_that_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        FolderSink.model_validate({"folder": "/x", **wrong})
