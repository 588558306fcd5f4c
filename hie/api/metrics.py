"""`/metrics`: events as the processes counted them, and states as the store has them at this moment."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector
from sqlalchemy import Connection, column, func, select, table
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from hie.access.roles import Principal
from hie.api.health import disk_free
from hie.certificates import certificate_files
from hie.counted import Counted
from hie.errors import HieError
from hie.metrics import DECLARED
from hie.reload import told
from hie.web import backlog, services, states
from hie.web.services import Services

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# patient matching owns its tables; two columns of one are all that is asked here
_review = table("mpi_review", column("state"), column("at"))
_OPEN = select(func.count(), func.min(_review.c.at)).where(_review.c.state.in_(("open", "first")))


async def metrics(request: Request, _: Principal) -> Response:
    node = services.of(request)
    return Response(await run_in_threadpool(_text, node), media_type=CONTENT_TYPE)


def _text(node: Services) -> bytes:
    registry = CollectorRegistry()
    if directory := os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        Counted(registry, Path(directory))
    registry.register(States(node))
    return generate_latest(registry)


class States(Collector):
    """Depths, oldest waiting, last messages: read at scrape. A part that cannot be read is absent, and
    `hie_store_readable` is 0, so that an old value never stands for a new one."""

    def __init__(self, node: Services) -> None:
        self.node = node

    def describe(self) -> Iterable[Metric]:
        return ()

    def collect(self) -> Iterator[Metric]:
        info = InfoMetricFamily("hie_config", "Configuration in force, by its hash.")
        info.add_metric([], {"hash": self.node.settings.hash})
        yield info
        if said := told(self.node.var):
            yield _one("hie_configuration_reload_success", said["success"])
            yield _one("hie_configuration_reload_timestamp_seconds", said["loaded_at"])
        yield _one("hie_disk_free_bytes", disk_free(self.node))
        yield self._certificates()
        readable = 1
        try:
            with self.node.reader.connect() as connection:
                read = [
                    _one("hie_journal_bytes", backlog.size(connection, self.node.var / "journal")),
                    *self._intervals(),
                    *self._feeds(connection),
                    *self._subscribers(connection),
                    *_reviews(connection, self.node.clock()),
                ]
            yield from read
        except Exception as error:
            if not isinstance(error, HieError) and not type(error).__module__.startswith("sqlalchemy"):
                raise
            readable = 0
        yield _one("hie_store_readable", readable)

    def _certificates(self) -> Metric:
        family = _family("hie_certificate_expiry_timestamp_seconds")
        for file in certificate_files(self.node.settings):
            with suppress(OSError, ValueError):
                family.add_metric([file.name], file.ends_at())
        return family

    def _intervals(self) -> Iterator[Metric]:
        family = _family("hie_feed_expected_interval_seconds")
        for feed in self.node.settings.feeds:
            if feed.expected_interval is not None:
                family.add_metric([feed.name], feed.expected_interval)
        yield family

    def _feeds(self, connection: Connection) -> Iterator[Metric]:
        queue = states.waiting(connection, self.node.var)
        last = _family("hie_feed_last_message_timestamp_seconds")
        waits = _family("hie_feed_oldest_waiting_timestamp_seconds")
        depth = _family("hie_feed_waiting_messages")
        word = _family("hie_feed_state")
        for state in states.feeds(connection, self.node.settings, queue, self.node.clock()):
            name = state.feed.name
            depth.add_metric([name], state.waiting)
            word.add_metric([name, state.word], 1)
            if state.last_at is not None:
                last.add_metric([name], state.last_at)
            if state.oldest is not None:
                waits.add_metric([name], state.oldest)
        stages = _family("hie_queue_messages")
        stages.add_metric(["process"], queue.total)
        now = self.node.clock()
        stages.add_metric(["deliver"], sum(s.depth for s in states.subscribers(connection, self.node.settings, now)))
        yield from (last, waits, depth, word, stages)

    def _subscribers(self, connection: Connection) -> Iterator[Metric]:
        now = self.node.clock()
        depth = _family("hie_delivery_queue_messages")
        oldest = _family("hie_delivery_oldest_timestamp_seconds")
        age = _family("hie_delivery_oldest_age_seconds")
        dead = _family("hie_dead_letters")
        paused = _family("hie_subscriber_paused")
        for state in states.subscribers(connection, self.node.settings, now):
            labels = [state.name]
            depth.add_metric(labels, state.depth)
            dead.add_metric(labels, state.dead)
            paused.add_metric(labels, state.paused_at is not None)
            age.add_metric(labels, max(0.0, now - state.oldest) if state.oldest is not None else 0.0)
            if state.oldest is not None:
                oldest.add_metric(labels, state.oldest)
        yield from (depth, oldest, age, dead, paused)


def _reviews(connection: Connection, now: float) -> Iterator[Metric]:
    count, oldest = connection.execute(_OPEN).one()
    yield _one("hie_mpi_review_open", count)
    yield _one("hie_mpi_review_oldest_age_seconds", max(0.0, now - oldest) if oldest is not None else 0.0)
    if oldest is not None:
        yield _one("hie_mpi_review_oldest_timestamp_seconds", oldest)


def _one(name: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, DECLARED[name].help, value=value)


def _family(name: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, DECLARED[name].help, labels=DECLARED[name].labels)
