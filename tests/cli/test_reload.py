"""A node takes on a changed configuration while messages arrive: none is lost, who stays is not disturbed, and a file with an
error changes nothing."""

from __future__ import annotations

import io
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import orjson
import pytest

from hie import lastgood, reload, settings
from hie.cli import main
from hie.simulation import messages
from hie.simulation.people import someone
from tests.node import Site, free_port, site

LONG = 90
"""Seconds to wait for what takes one or two on a machine that is not busy."""
CHANCE = random.Random(7)
TAKEN = ("AA", "CA")
FEED = """\
  - name: extra
    participant: north-clinic
    timezone: America/Chicago
    source: {{kind: mllp, port: {port}}}
    authorities: {{NORTH: "urn:oid:2.16.840.1.113883.3.9999.1"}}
"""


def admission(control_id: str) -> bytes:
    mrn = f"{CHANCE.randrange(10**8)}"
    return messages.admission(someone(CHANCE), mrn, "NORTH", "NORTHEHR", "NORTH", "A04", control_id, f"V{mrn}")


class Line:
    """One MLLP connection that is never opened anew: what it sends after an end of the connection fails."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 30)
        self.acknowledged: list[str] = []

    def send(self, control_id: str) -> None:
        self.socket.sendall(b"\x0b" + admission(control_id) + b"\x1c\r")
        answer = b""
        while not answer.endswith(b"\x1c\r"):
            part = self.socket.recv(65536)
            assert part, f"the connection ended before the answer to {control_id}"
            answer += part
        assert re.search(rf"MSA\|[AC]A\|{control_id}\r".encode(), answer), answer
        self.acknowledged.append(control_id)


@contextmanager
def sending(port: int, prefix: str) -> Iterator[Line]:
    """Message after message over one connection, until the block ends. Raises what went wrong with the connection."""
    line, stop, broken = Line(port), threading.Event(), []

    def run() -> None:
        number = 0
        try:
            while not stop.is_set():
                number += 1
                line.send(f"{prefix}{number}")
        except BaseException as error:
            broken.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield line
    finally:
        stop.set()
        thread.join(60)
        line.socket.close()
    for error in broken:
        raise error


class Done(NamedTuple):
    code: int
    out: str
    err: str


def hie(*arguments: str | Path) -> Done:
    """A command as somebody types it; in this process, because loading Python anew costs seconds on a busy machine."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main([str(argument) for argument in arguments])
    return Done(code, out.getvalue(), err.getvalue())


def reloaded(here: Site, code: int = 0) -> dict[str, Any]:
    done = hie("reload", "--config", here.config, "--json")
    assert done.code == code, done.out + done.err
    said: dict[str, Any] = orjson.loads(done.out)
    return said


def change(here: Site, *pairs: tuple[str, str]) -> None:
    text = here.config.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    here.config.write_text(text)


def scraped(here: Site, name: str) -> str:
    found: list[re.Match[str]] = []

    def answered() -> bool:
        with here.web("admin") as client:
            match = re.search(rf"^{name}(\{{.*\}})? (\S+)$", client.get("/metrics").text, re.MULTILINE)
        found.extend([match] if match else [])
        return bool(found)

    here.until(answered, f"{name} is scraped", LONG)
    (match,) = found
    return (match[1] or "") + match[2]


@pytest.mark.invariant(1)
def test_a_feed_that_stays_keeps_its_connection_and_nothing_is_lost(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        port, before = free_port(), reload.told(here.var)["hash"]
        with sending(here.north, "STAY") as line:
            here.until(lambda: len(line.acknowledged) > 20, "messages flow", LONG)
            change(here, ("subscribers:\n", FEED.format(port=port) + "subscribers:\n"))
            said = reloaded(here)
            counted = len(line.acknowledged)
            here.until(lambda: len(line.acknowledged) > counted + 20, "they flow on", LONG)
            with sending(port, "NEW") as other:
                here.until(lambda: len(other.acknowledged) > 5, "the new feed takes messages", LONG)
        assert said["changed"]["ended"] == []
        assert {"north", "river"} <= set(said["changed"]["kept"])
        here.settled()
        arrived = {control_id for _, control_id, _, _ in here.journal()}
        acknowledged = {*line.acknowledged, *other.acknowledged}
        assert acknowledged <= arrived
        outcomes = here.rows("SELECT control_id, outcome, configuration FROM message")
        assert {o for c, o, _ in outcomes if c in acknowledged} == {"routed"}
        after = settings.load(here.config).hash
        assert {c for _, _, c in outcomes} == {before, after}
        assert {c for i, _, c in outcomes if i.startswith("NEW")} == {after}
        here.until(lambda: {i for i, _ in here.mllp.seen} >= acknowledged, "everything is delivered", LONG)
        assert scraped(here, "hie_config_info") == f'{{hash="{after}"}}1.0'


def test_http_senders_are_not_refused(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        token, stop, answers, refused = here.token("reports"), threading.Event(), [], []

        def post() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    answers.append(
                        httpx.post(
                            f"{here.base}/intake/reports", content=admission(f"W{number}"), timeout=60, trust_env=False,
                            headers={"authorization": f"Bearer {token}", "content-type": "application/hl7-v2"},
                        ).status_code
                    )  # fmt: skip
                except httpx.ConnectError as error:
                    refused.append(error)

        thread = threading.Thread(target=post)
        thread.start()
        try:
            here.until(lambda: len(answers) > 5, "posts are taken", LONG)
            change(here, ("timezone: America/Chicago", "timezone: America/Denver"))
            reloaded(here)
            counted = len(answers)
            here.until(lambda: len(answers) > counted + 5, "posts are taken again", LONG)
        finally:
            stop.set()
            thread.join(60)
        assert refused == []
        assert set(answers) <= {202, 503}
        assert answers[-1] == 202


def test_a_file_with_errors_changes_nothing(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        before, good = reload.told(here.var), here.config.read_text()
        assert scraped(here, "hie_configuration_reload_success") == "1.0"
        with sending(here.north, "B") as line, socket.create_server(("127.0.0.1", 0)) as other:
            here.until(lambda: line.acknowledged, "messages flow", LONG)
            change(here, ("purpose: TREAT", "porpose: TREAT"))
            done = hie("reload", "--config", here.config)
            assert done.code == 2
            at = 1 + good[: good.index("purpose: TREAT")].count("\n")
            assert f"{here.config}:{at}: unknown-key" in done.out
            assert "did you mean 'purpose'?" in done.out
            assert f"configuration {before['hash']} stays in force" in done.out
            assert scraped(here, "hie_configuration_reload_success") == "0.0"
            for old, new, code in (
                ("name: proving", "name: other", "needs-restart"),
                ("batch: 64", "batch: 64, memory: 10000000", "needs-restart"),
                (f"port: {here.river}", f"port: {other.getsockname()[1]}", "address-in-use"),
            ):
                here.config.write_text(good)
                change(here, (old, new))
                said = reloaded(here, 2)
                assert [e["code"] for e in said["errors"]] == [code]
                assert said["errors"][0]["line"] > 0
            counted = len(line.acknowledged)
            here.until(lambda: len(line.acknowledged) > counted, "messages flow on", LONG)
        here.config.write_text(good)
        assert reloaded(here)["hash"] == before["hash"]
        assert scraped(here, "hie_configuration_reload_success") == "1.0"


def test_what_is_taken_out_ends_where_an_operator_sees_it(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        here.mllp.answer = lambda message: b"AE"
        assert here.send(admission("GOING"), here.river) in TAKEN
        here.until(lambda: here.deliveries("GOING", "emergency"), "it is on its way", LONG)
        text = here.config.read_text()
        subscriber = text[text.index("  - name: emergency\n") : text.index("  - name: practice\n")]
        feed = text[text.index("  - name: river\n") : text.index("  - {name: reports")]
        change(here, (subscriber, ""), (feed, ""))
        said = reloaded(here)
        assert said["changed"]["ended"] in ([], ["river"])
        here.until(
            lambda: [d["state"] for d in here.deliveries("GOING", "emergency")] == ["dead-lettered"],
            "it has ended",
            LONG,
        )
        assert here.deliveries("GOING", "emergency")[0]["reason"] == "subscriber-gone"
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", here.river), 5)
        assert here.send(admission("NORTH"), here.north) in TAKEN


@pytest.mark.invariant(4)
def test_a_message_whose_feed_has_gone_waits_for_it(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        os.kill(here.pid("engine"), signal.SIGSTOP)
        try:
            assert here.send(admission("LEFT"), here.north) in TAKEN
        finally:
            here.stop()
        text = here.config.read_text()
        feed = text[text.index("  - name: north\n") : text.index("  - name: river\n")]
        change(here, (feed, ""))
        here.node.start([here.river, here.http], 60)
        asked = "SELECT outcome, reason FROM message WHERE control_id = 'LEFT'"
        here.until(lambda: here.rows(asked) == [("quarantined", "feed-gone")], "it waits", LONG)
        here.config.write_text(text)
        reloaded(here)
        here.until(lambda: here.asked("quarantine.release", ids=[here.message_id("LEFT")]), "it is released", LONG)
        here.until(lambda: [m for m, _ in here.mllp.seen] == ["LEFT"], "it goes on", LONG)


def test_a_roster_and_a_policy_are_part_of_it(tmp_path: Path) -> None:
    roster, policy = tmp_path / "roster.csv", tmp_path / "policy.yaml"
    roster.write_text("authority,type,value\nurn:x,MR,1\n")
    policy.write_text("extends: base\n")
    (tmp_path / "base.yaml").write_text("extends: us-opt-out\nname: base\n")
    here = Site(tmp_path)
    change(
        here,
        ("name: proving\n", "name: proving\njurisdiction: policy.yaml\n"),
        ("    encoder: original\n", "    encoder: original\n    subscriptions: [{roster: roster.csv}]\n"),
    )
    try:
        here.start()
        assert here.send(admission("NOBODY")) in TAKEN
        here.settled()
        assert here.deliveries("NOBODY", "emergency") == []
        raw = admission("SOMEBODY")
        mrn = re.search(rb"PID\|[^|]*\|[^|]*\|(\d+)\^", raw)
        assert mrn is not None
        roster.write_text(f"authority,type,value\nurn:oid:2.16.840.1.113883.3.9999.1,MR,{mrn[1].decode()}\n")
        first = reloaded(here)["hash"]
        assert here.send(raw) in TAKEN
        here.until(lambda: here.mllp.of("SOMEBODY"), "the roster of now decides", LONG)
        (tmp_path / "base.yaml").write_text("extends: us-opt-in\nname: base\n")
        second = reloaded(here)["hash"]
        assert first != second
        here.mllp.seen.clear()
        assert here.send(raw.replace(b"SOMEBODY", b"AGAIN")) in TAKEN
        here.settled()
        assert [d["state"] for d in here.deliveries("AGAIN")] != ["delivered"]
        roster.write_text("nonsense\n")
        assert [e["code"] for e in reloaded(here, 2)["errors"]] == ["bad-roster"]
        (tmp_path / "base.yaml").write_text("")
        assert {e["code"] for e in reloaded(here, 2)["errors"]} == {"policy-empty", "bad-roster"}
        here.stop()
        _starts_from_the_last_good(here, second)
    finally:
        here.close()


def _starts_from_the_last_good(here: Site, hash: str) -> None:
    for name in ("roster.csv", "policy.yaml", "base.yaml"):
        (here.directory / name).unlink()
    here.config.write_text("{" + here.config.read_text())
    done = hie("run", "--config", here.config)
    assert done.code == 2
    assert "not-yaml" in done.err
    assert "hie run --last-good --config" in done.err
    kept = lastgood.load(here.var)
    assert kept.hash == hash
    modes = {file.stat().st_mode & 0o077 for file in (here.var / lastgood.FOLDER).rglob("*")}
    assert modes == {0}
    output = here.log.open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "hie", "run", "--last-good", "--config", str(here.config)], stdout=output, stderr=output
    )
    try:
        here.until(lambda: here.asked("ping") is not None, "it runs", LONG)
        assert reload.told(here.var)["hash"] == hash
        assert here.send(admission("STILL")) in TAKEN
    finally:
        process.terminate()
        assert process.wait(60) == 0
        output.close()


def test_the_signal_does_the_same_and_a_crash_in_between_harms_nothing(tmp_path: Path) -> None:
    with site(tmp_path) as here:
        attempt = reload.told(here.var)["attempt"]
        change(here, ("batch: 64", "batch: 32, pool: 2"), ("{pool: 1, ", "{"))
        os.kill(here.pid("parent"), signal.SIGHUP)
        here.until(lambda: reload.told(here.var)["attempt"] > attempt, "it is told", LONG)
        assert (here.var / "run" / "pool-1.pid").exists()
        change(here, ("batch: 32", "batch: 16"))
        os.kill(here.pid("parent"), signal.SIGHUP)
        time.sleep(0.2)
        here.kill("intake")
        here.until(lambda: reload.told(here.var)["attempt"] > attempt + 1, "it is told", LONG)
        here.until(lambda: here.asked("ping") is not None, "the engine answers", LONG)
        assert here.send(admission("AFTER")) in TAKEN
        here.until(lambda: here.mllp.of("AFTER"), "it is delivered", LONG)


def test_without_a_node_there_is_nothing_to_reload(tmp_path: Path) -> None:
    here = Site(tmp_path)
    try:
        done = hie("reload", "--config", here.config)
        assert done.code == 1
        assert "no-node" in done.err
    finally:
        here.close()
