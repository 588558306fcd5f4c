"""A whole node with folders at both ends: real processes, kills, and history beside live traffic."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import pytest

from hie.simulation import messages
from hie.simulation.people import someone
from hie.simulation.wire import field
from tests.node import NORTH_URI, Site

FOLDERS = """\
  - name: folder
    participant: north-clinic
    timezone: America/Chicago
    priority: {priority}
    source: {{kind: files, folder: in, poll_seconds: 0.05, settle_seconds: 0.1, lease_seconds: 1}}
    authorities: {{NORTH: "{uri}"}}
subscribers:
"""
OUT = """\
  - name: registry
    participant: emergency
    purpose: TREAT
    encoder: original
    sink: {kind: files, folder: out, name: "{date}-{event}-{key}.{ending}"}
    retry: {first: 50ms, longest: 300ms}
"""


@contextmanager
def site(directory: Path, priority: str = "live") -> Iterator[Site]:
    """A site with a folder feed `in` and a folder subscriber `out` beside its configuration; not started yet."""
    for name in ("in", "out"):
        (directory / name).mkdir()
    made = Site(directory)
    text = made.config.read_text().replace("subscribers:\n", FOLDERS.format(priority=priority, uri=NORTH_URI))
    made.config.write_text(text + OUT)
    try:
        yield made
    finally:
        made.close()


class Clinic:
    """Writes files of messages as a clinic's engine does."""

    def __init__(self, folder: Path, run: str, seed: int = 1) -> None:
        self.folder = folder
        self.run = run
        self.chance = random.Random(seed)
        self.people = [someone(self.chance) for _ in range(40)]
        self.sent: list[str] = []

    def message(self) -> bytes:
        number = len(self.sent)
        person = self.people[number % len(self.people)]
        self.sent.append(f"{self.run}-0-{number}")
        mrn = f"{self.run}{number % len(self.people):04d}"
        sending = ("NORTH", "NORTHEHR", "NORTHCLINIC")
        return messages.admission(person, mrn, *sending, "A08", self.sent[-1], f"V{mrn}")

    def write(self, count: int = 1) -> None:
        """One file, renamed into view."""
        raw = b"".join(self.message() for _ in range(count))
        part = self.folder / f"{self.run}-{len(self.sent):06d}.part"
        part.write_bytes(raw)
        part.rename(part.with_suffix(".hl7"))


def received(folder: Path) -> list[str]:
    """Control ids of what stands in the subscriber's folder."""
    return sorted(field(path.read_bytes(), b"MSH", 10).decode() for path in folder.glob("[!.]*"))


@pytest.mark.invariant(8)
def test_from_folder_to_folder(tmp_path: Path) -> None:
    with site(tmp_path) as node:
        clinic = Clinic(tmp_path / "in", "F")
        clinic.write()
        clinic.write(5)
        (tmp_path / "in" / "OKAFOR GRACE 19790412.hl7").write_bytes(b"no message of MRN 448812")
        node.start()
        node.until(lambda: len(list((tmp_path / "in" / "done").rglob("*.hl7"))) == 2, "the files are done")
        node.until(lambda: received(tmp_path / "out") == sorted(clinic.sent), "everything stands in the out folder")
        assert sorted(node.mllp.times) == sorted(clinic.sent)
        node.settled()
        (refused,) = node.rows("SELECT outcome, reason, id FROM message WHERE outcome = 'rejected'")
        assert refused[:2] == ("rejected", "refused")
        (note,) = (tmp_path / "in" / "refused").rglob("*.reason.json")
        assert refused[2] in note.read_text()
        names = {path.name for path in (tmp_path / "out").iterdir()}
        keys = {row["key"] for row in node.deliveries(subscriber="registry")}
        assert {name.partition("ADT_A08-")[2].removesuffix(".hl7") for name in names} == keys
        with node.web(user="admin") as web:
            metrics = web.get("/metrics").text
        assert 'hie_files_total{feed="folder",result="done"} 2.0' in metrics
        assert 'hie_files_total{feed="folder",result="refused"} 1.0' in metrics
        assert node.stop() == 0
        for text in (node.log.read_text(), metrics, note.read_text()):
            assert "OKAFOR" not in text
            assert "448812" not in text


@pytest.mark.invariant(1)
@pytest.mark.parametrize("where", ["intake-before-commit:3", "intake-after-commit:3"])
def test_killed_with_a_file_in_hand(tmp_path: Path, where: str) -> None:
    """Before the commit, and between the commit and the move: each message comes through once."""
    with site(tmp_path) as node:
        clinic = Clinic(tmp_path / "in", "K")
        for _ in range(6):
            clinic.write(3)
        node.start(where)
        node.until(lambda: "process-ended" in node.log.read_text(), "the kill")
        node.until(lambda: len(list((tmp_path / "in" / "done").rglob("*.hl7"))) == 6, "all files are done", 60)
        node.until(lambda: received(tmp_path / "out") == sorted(clinic.sent), "all is delivered, and once", 60)
        assert node.mllp.out_of_order == 0
        assert node.mllp.duplicates == 0


def test_a_full_out_folder_delays_and_loses_nothing(tmp_path: Path) -> None:
    with site(tmp_path) as node:
        (tmp_path / "out").rmdir()
        clinic = Clinic(tmp_path / "in", "W")
        clinic.write(4)
        node.start()
        node.until(lambda: len(node.mllp.times) == 4, "the other subscriber has it")
        waiting = "SELECT count(*) FROM delivery WHERE subscriber = 'registry' AND reason = 'folder-gone'"
        node.until(lambda: node.rows(waiting)[0][0], "a delivery waits for the folder")
        (tmp_path / "out").mkdir()
        node.until(lambda: received(tmp_path / "out") == sorted(clinic.sent), "it comes when the folder is there")


class Live:
    """A clinic that sends a message now and then by MLLP, and how long each took to be answered and to be delivered."""

    def __init__(self, node: Site) -> None:
        self.node = node
        self.clinic = Clinic(Path(), "L", 7)
        self.answered: list[float] = []
        self.delivered: list[float] = []

    def run(self, count: int) -> None:
        sent: dict[str, float] = {}
        for _ in range(count):
            raw = self.clinic.message()
            sent[self.clinic.sent[-1]] = began = time.perf_counter()
            assert self.node.send(raw) in ("AA", "CA")
            self.answered.append(time.perf_counter() - began)
            time.sleep(0.05)
        self.node.until(lambda: set(sent) <= set(self.node.mllp.first), "the live ones are delivered", 60)
        self.delivered += [self.node.mllp.first[id] - began for id, began in sent.items()]


@pytest.mark.slow
def test_history_does_not_delay_live_feeds(tmp_path: Path) -> None:
    """In one run: a live feed alone, then beside a backfill that does not end; and all of the history arrives."""
    with site(tmp_path, "backfill") as node:
        node.start()
        Live(node).run(20)  # warm
        alone, beside = Live(node), Live(node)
        alone.clinic.run, beside.clinic.run = "LA", "LB"
        alone.run(60)
        clinic, enough = Clinic(tmp_path / "in", "H"), threading.Event()

        def write() -> None:
            """A backlog that no machine gets through while it is looked at, and that ends soon after."""
            for _ in range(50):
                clinic.write()
            while not enough.wait(0.05):
                if len(list(clinic.folder.glob("*.hl7"))) < 3:
                    clinic.write(200)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            node.until(lambda: any(id.startswith("H-") for id in list(node.mllp.times)), "the backfill has begun", 60)
            beside.run(60)
        finally:
            enough.set()
            writer.join()
        node.until(lambda: set(clinic.sent) <= node.mllp.times.keys(), "all of the history arrives", 600)
        assert set(clinic.sent) <= set(node.mllp.times)
        assert node.mllp.duplicates == 0
        assert node.mllp.out_of_order == 0
        answer, late_answer = median(alone.answered), median(beside.answered)
        delivery, late_delivery = median(alone.delivered), median(beside.delivered)
        print(
            f"median seconds: answers {answer:.4f} -> {late_answer:.4f}, deliveries {delivery:.4f} -> {late_delivery:.4f}"
        )
        # hundreds of messages in front of a live one would be several seconds
        assert late_answer < max(10 * answer, 0.5)
        assert late_delivery < max(10 * delivery, 1.0)
