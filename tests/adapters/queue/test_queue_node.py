"""A node between two queues: nothing that the broker confirmed to the clinic is lost, whatever dies on the way."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from tests.adapters.queue.rabbit import OwnRabbit, Rabbit, until
from tests.adapters.queue.region import Arrived, Clinic, arrived, queued_site
from tests.adapters.queue.wire import Wire


def declared(rabbit: Rabbit, queue: str) -> None:
    def there() -> bool:
        try:
            return rabbit.depth(queue) >= 0
        except Exception:
            return False

    until(there, "the feed has declared its queue", 60)


@pytest.mark.invariant(1, 6)
def test_in_by_a_queue_and_out_by_queues(tmp_path: Path, rabbit: Rabbit, queue: str) -> None:
    with queued_site(tmp_path, rabbit, queue) as site:
        site.start()
        declared(rabbit, queue)
        clinic = Clinic(rabbit, queue)
        batch = [clinic.message(n)[1] for n in range(6, 8)]
        rabbit.publish(queue, *[clinic.message(n)[1] for n in range(6)], b"not a message CANARY")
        rabbit.publish(queue, b"FHS|^~\\&|EHR\rBHS|^~\\&|EHR\r" + b"".join(batch) + b"BTS|2\rFTS|1\r")
        rabbit.publish(queue, clinic.message(3)[1])
        control_ids = [f"Q-0-{n}" for n in range(8)]
        arrived(site, control_ids)
        site.until(lambda: len(site.journal()) == 10, "the repeat and the refused one too")
        got = Arrived(rabbit, queue)
        assert got.violations(site, control_ids) == []
        assert (len(got.hl7), len(got.fhir)) == (8, 8)
        outcomes = dict(site.rows("SELECT outcome, count(*) FROM message WHERE feed = 'queued' GROUP BY 1"))
        assert outcomes == {"routed": 8, "rejected": 1, "duplicate": 1}
        assert "CANARY" not in site.log.read_text()
        assert site.stop() == 0
    assert rabbit.depth(queue) == 0
    assert rabbit.take(f"{queue}.dead-letters") == []


@pytest.mark.slow
@pytest.mark.invariant(1, 2, 5, 6)
def test_killed_under_load_loses_nothing(tmp_path: Path, rabbit: Rabbit, queue: str) -> None:
    wire = Wire(rabbit)
    chance = random.Random("queues")
    with queued_site(tmp_path, rabbit, queue, wire.url) as site:
        site.start()
        declared(rabbit, queue)
        clinic = Clinic(rabbit, queue)
        clinic.start()
        for victim in ["intake", "wire", "intake", "engine", "wire", "intake", "engine", "intake"]:
            time.sleep(chance.uniform(0.5, 1.5))
            wire.cut() if victim == "wire" else site.kill(victim)
        time.sleep(1)
        confirmed = clinic.stop()
        assert len(confirmed) > 50, "hardly any load"
        arrived(site, confirmed)
        got = Arrived(rabbit, queue)
        assert got.violations(site, confirmed) == []
        print(f"{len(confirmed)} confirmed to the clinic, {got.repeats} repeats under the same key")
    wire.close()
    assert rabbit.take(f"{queue}.dead-letters") == []


@pytest.mark.slow
@pytest.mark.invariant(1, 2, 5, 6)
def test_the_broker_killed_under_load_loses_nothing(tmp_path: Path, own_rabbit: OwnRabbit) -> None:
    with queued_site(tmp_path, own_rabbit, "in") as site:
        site.start()
        declared(own_rabbit, "in")
        clinic = Clinic(own_rabbit, "in", pace=0.1)
        clinic.start()
        until(lambda: len(clinic.confirmed) > 15, "load")
        time.sleep(2)  # the broker writes its list of queues down a moment after it has declared one
        for _ in range(2):
            own_rabbit.kill()
            time.sleep(1)
            own_rabbit.start()
            before = len(clinic.confirmed)
            until(lambda before=before: len(clinic.confirmed) > before + 10, "load again", 90)
        own_rabbit.control("close_all_connections", "a test")
        time.sleep(1)
        confirmed = clinic.stop()
        arrived(site, confirmed)
        got = Arrived(own_rabbit, "in")
        assert got.violations(site, confirmed) == []
        print(f"{len(confirmed)} confirmed to the clinic, {got.repeats} repeats under the same key")


@pytest.mark.slow
@pytest.mark.invariant(1)
def test_a_node_starts_without_its_broker(tmp_path: Path, rabbit: Rabbit, queue: str) -> None:
    wire = Wire(rabbit)
    wire.refusing = True
    with queued_site(tmp_path, rabbit, queue, wire.url) as site:
        site.start()
        clinic = Clinic(rabbit, queue)
        number, admission = clinic.message(0)
        assert site.send(admission.replace(b"Q-0-0", b"Q-0-6")) in ("AA", "CA")  # by the other feed, for the subscriber
        wire.refusing = False
        declared(rabbit, queue)
        rabbit.publish(queue, admission)
        arrived(site, [number])
        site.until(lambda: rabbit.depth(f"{queue}.out") == 4, "two deliveries each", 60)
    wire.close()
