"""A whole node with a feed that reads a queue and subscribers behind queues, and the ledger of what went in and out."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import amqp
import orjson

from hie.simulation import messages
from hie.simulation.people import someone
from hie.simulation.wire import field
from tests.adapters.queue.rabbit import PASSWORD, Rabbit
from tests.node import NORTH_URI, Site

FEED = """\
  - name: queued
    participant: north-clinic
    timezone: America/Chicago
    source: {{kind: queue, url: "{url}", queue: "{queue}", password_env: {password}, declare: true}}
    authorities: {{NORTH: "{north_uri}"}}
"""
SUBSCRIBER = """\
  - name: {name}
    participant: practice
    purpose: TREAT
    encoder: {encoder}
    sink: {{kind: queue, url: "{url}", queue: "{queue}", password_env: {password}, declare: true, confirm_seconds: 30}}
    subscriptions: [{{sources: [north-clinic]}}]
    retry: {{first: 50ms, longest: 1s, give_up: 1h}}
"""


@contextmanager
def queued_site(directory: Path, rabbit: Rabbit, queue: str, url: str = "") -> Iterator[Site]:
    """Not started yet. `QUEUE` goes in, `QUEUE.out` gets rendered HL7v2 and FHIR bundles."""
    site = Site(directory)
    url = url or rabbit.url()
    feed = FEED.format(url=url, queue=queue, password=PASSWORD, north_uri=NORTH_URI)
    out = {"url": url, "queue": f"{queue}.out", "password": PASSWORD}
    rendered = SUBSCRIBER.format(name="queue-v2", encoder="rendered", **out)
    bundled = SUBSCRIBER.format(name="queue-fhir", encoder="bundle", **out)
    text = site.config.read_text().replace("subscribers:\n", f"{feed}subscribers:\n{rendered}{bundled}", 1)
    site.config.write_text(text)
    try:
        yield site
    finally:
        site.close()


class Clinic(threading.Thread):
    """Publishes until told to stop, and insists: what the broker has not confirmed is sent again."""

    def __init__(self, rabbit: Rabbit, queue: str, pace: float = 0.02, seed: int = 1) -> None:
        super().__init__(daemon=True)
        self.confirmed: list[str] = []
        self.enough = threading.Event()
        self._rabbit, self._queue, self._pace = rabbit, queue, pace
        self._chance = random.Random(seed)
        self._people = [someone(self._chance) for _ in range(6)]

    def message(self, number: int) -> tuple[str, bytes]:
        index = number % len(self._people)
        control_id = f"Q-0-{number}"
        kind = "A04" if number < len(self._people) else "A08"
        mrn = f"Q{index:04d}"
        return control_id, messages.admission(
            self._people[index], mrn, "NORTH", "NORTHEHR", "NORTHCLINIC", kind, control_id, f"V{mrn}"
        )

    def run(self) -> None:
        number = 0
        while not self.enough.is_set():
            with suppress(OSError, amqp.AMQPError, amqp.exceptions.MessageNacked), self._rabbit.channel() as channel:
                while not self.enough.is_set():
                    control_id, body = self.message(number)
                    sent = amqp.Message(body, delivery_mode=2)
                    channel.basic_publish(sent, routing_key=self._queue, timeout=10)
                    self.confirmed.append(control_id)
                    number += 1
                    time.sleep(self._pace)
            time.sleep(0.2)

    def stop(self) -> list[str]:
        self.enough.set()
        self.join(60)
        return self.confirmed


class Arrived:
    """What the subscribers found in their queue."""

    def __init__(self, rabbit: Rabbit, queue: str) -> None:
        self.hl7: list[tuple[str, bytes]] = []
        self.fhir: list[tuple[str, bytes]] = []
        """(message id, body) in the order of the queue."""
        for message in rabbit.take(f"{queue}.out"):
            kind = message.properties["content_type"]
            (self.hl7 if kind == "application/hl7-v2" else self.fhir).append(
                (message.properties["message_id"], message.body)
            )

    def violations(self, site: Site, confirmed: list[str]) -> list[str]:
        """What is wrong: lost, twice under different keys, other bytes under one key, out of order."""
        found = []
        for name, got in (("queue-v2", self.hl7), ("queue-fhir", self.fhir)):
            rows = {row["key"]: row["control_id"] for row in site.deliveries(subscriber=name)}
            keys = Counter(rows[key] for key in {key for key, _ in got})
            found += [f"{name} lost {control_id}" for control_id in confirmed if not keys[control_id]]
            found += [f"{name}: {control_id} under {n} keys" for control_id, n in keys.items() if n > 1]
            first: dict[str, bytes] = {}
            found += [f"{name}: other bytes under {k}" for k, body in got if first.setdefault(k, body) != body]
            high: dict[int, int] = {}
            for key in first:
                number = int(rows[key].rpartition("-")[2])
                if number < high.get(number % 6, -1):
                    found.append(f"{name}: {number} out of order")
                high[number % 6] = max(high.get(number % 6, -1), number)
        for _, body in self.fhir:
            assert orjson.loads(body)["resourceType"] == "Bundle"
        for key, body in self.hl7:
            assert field(body, b"MSH", 10), key
        return found

    @property
    def repeats(self) -> int:
        return sum(len(got) - len(dict(got)) for got in (self.hl7, self.fhir))


def arrived(site: Site, confirmed: list[str], feed: str = "queued") -> None:
    """Until the node has an outcome for every message, whatever else happens to the broker."""
    rows: Any = lambda: {r[0] for r in site.rows("SELECT control_id FROM message WHERE feed = ?", feed)}  # noqa: E731
    site.until(lambda: rows() >= set(confirmed), "every confirmed message arrived", 120)
    site.settled(240)
