"""Every metric of the product: name, meaning, labels. The table is the reference page.

Events are counted here, into prometheus-client's multiprocess files (PROMETHEUS_MULTIPROC_DIR, set and wiped by the
node before it forks). States (kind `state`) are not counted: `/metrics` reads them from the store at each scrape, so a
dead process cannot freeze one. Labels are bounded and never hold a patient, a message id, a file name or an error text.
"""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

FAST = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets in seconds for what should take milliseconds."""
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
"""Buckets in seconds for what may wait."""
SHARE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0)


class Declared(NamedTuple):
    """One metric. `kind`: counter, level (a gauge moved by +1 and -1), histogram, or state (read at the scrape)."""

    name: str
    kind: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


TABLE = (
    # intake
    Declared(
        "hie_messages_received_total", "counter", "Messages that came in, refused ones included.", ("feed", "format")
    ),
    Declared("hie_bytes_received_total", "counter", "Bytes of those messages.", ("feed",)),
    Declared(
        "hie_acks_sent_total",
        "counter",
        "Outcomes told to senders, by code of table 0008 (commit codes under their application code).",
        ("feed", "code"),
    ),
    Declared(
        "hie_ack_duration_seconds", "histogram", "From the last byte of a message to its answer.", ("feed",), FAST
    ),
    Declared(
        "hie_framing_quirks_total", "counter", "Departures from the wire protocol, tolerated or not.", ("feed", "quirk")
    ),
    Declared(
        "hie_connections_closed_total", "counter", "Connections refused or closed by this side.", ("feed", "reason")
    ),
    Declared("hie_feed_connected", "level", "Open connections of a feed; 1 for a folder that it works.", ("feed",)),
    Declared(
        "hie_files_total",
        "counter",
        "Files taken from a folder, by how they ended: done, repeated, partly-refused, refused.",
        ("feed", "result"),
    ),
    Declared(
        "hie_folder_failures_total",
        "counter",
        "What kept files from being taken: gone, permission, read-only, full, input-output, away (the journal), internal-error.",
        ("feed", "reason"),
    ),
    Declared(
        "hie_journal_commits_total", "counter", "Commits of the journal; messages divided by commits is the group size."
    ),
    Declared("hie_store_commits_total", "counter", "Commits of the engine's writer."),
    Declared(
        "hie_journal_failures_total", "counter", "Arrivals that the journal did not take; their senders were told."
    ),
    # silence
    Declared(
        "hie_feed_last_message_timestamp_seconds", "state", "When the last message of a feed was accepted.", ("feed",)
    ),
    Declared(
        "hie_feed_expected_interval_seconds", "state", "Longest normal silence of a feed, as configured.", ("feed",)
    ),
    Declared(
        "hie_feed_oldest_waiting_timestamp_seconds",
        "state",
        "When the oldest unprocessed message was accepted.",
        ("feed",),
    ),
    # pipeline
    Declared("hie_stage_duration_seconds", "histogram", "Time spent in a stage, per message.", ("stage",), FAST),
    Declared("hie_queue_messages", "state", "Messages that wait for a stage.", ("stage",)),
    Declared(
        "hie_messages_processed_total", "counter", "Final outcomes of received messages.", ("feed", "outcome", "reason")
    ),
    Declared("hie_outcomes_total", "counter", "Final outcomes of deliveries.", ("subscriber", "outcome", "reason")),
    # delivery
    Declared(
        "hie_delivery_oldest_age_seconds", "state", "Age of the oldest undelivered one at this scrape.", ("subscriber",)
    ),
    Declared(
        "hie_delivery_oldest_timestamp_seconds", "state", "When the oldest undelivered one was queued.", ("subscriber",)
    ),
    Declared("hie_delivery_duration_seconds", "histogram", "From received to delivered.", ("subscriber",), SLOW),
    Declared(
        "hie_attempt_duration_seconds", "histogram", "One attempt to send, answer included.", ("subscriber",), FAST
    ),
    Declared("hie_delivery_attempts_total", "counter", "Attempts to send, by result.", ("subscriber", "result")),
    Declared("hie_http_send_duration_seconds", "histogram", "One HTTP request to a subscriber.", ("result",), FAST),
    Declared("hie_dead_letters", "state", "Dead letters that nobody has dealt with.", ("subscriber",)),
    # identity
    Declared("hie_mpi_decisions_total", "counter", "Identity decisions: link, possible, new.", ("decision",)),
    Declared("hie_mpi_review_open", "state", "Open review tasks."),
    Declared("hie_mpi_review_oldest_age_seconds", "state", "Age of the oldest open review task."),
    # consent
    Declared(
        "hie_consent_decisions_total", "counter", "Consent decisions by the rule that made them.", ("decision", "rule")
    ),
    Declared("hie_emergency_access_total", "counter", "Accesses under break-glass."),
    # fax
    Declared("hie_fax_pages_total", "counter", "Fax pages read, by result.", ("result",)),
    Declared("hie_fax_ocr_confidence_ratio", "histogram", "Mean confidence of a page's text recognition.", (), SHARE),
    Declared("hie_mpi_review_oldest_timestamp_seconds", "state", "When the oldest open review task was found."),
    # node
    Declared("hie_feed_waiting_messages", "state", "Accepted messages of a feed not processed yet.", ("feed",)),
    Declared("hie_feed_state", "state", "1 for the state that a feed is in.", ("feed", "state")),
    Declared("hie_delivery_queue_messages", "state", "Deliveries without a final outcome.", ("subscriber",)),
    Declared("hie_subscriber_paused", "state", "1 where an operator has paused the subscriber.", ("subscriber",)),
    Declared("hie_store_readable", "state", "1 where the states could be read at this scrape, else 0."),
    Declared("hie_journal_bytes", "state", "Size of the journal on disk."),
    Declared(
        "hie_disk_free_bytes",
        "state",
        "Bytes that can still be written where state, journal and database lie, by the fullest.",
    ),
    Declared(
        "hie_certificate_expiry_timestamp_seconds",
        "state",
        "When a certificate ends: of a chain the first to end, of a file of authorities the last. Absent where the file cannot be read.",
        ("name",),
    ),
    Declared(
        "hie_certificate_loads_total",
        "counter",
        "Certificate files read, at the first use and whenever they change: loaded, or refused (the last good ones stay in force).",
        ("setting", "result"),
    ),
    Declared("hie_config_info", "state", "Configuration in force, by its hash.", ("hash",)),
    Declared(
        "hie_configuration_reload_success", "state", "0 where the file was refused last: the one before is in force."
    ),
    Declared("hie_configuration_reload_timestamp_seconds", "state", "When the configuration in force was taken on."),
    Declared("hie_audit_chain_verified_timestamp_seconds", "state", "When the audit chain was last verified."),
    Declared(
        "hie_metrics_undeclared_total", "counter", "Uses of a metric or label that is not in this table: a defect."
    ),
)
DECLARED = {metric.name: metric for metric in TABLE}
EVENTS = tuple(metric for metric in TABLE if metric.kind != "state")


def prepare(directory: Path) -> None:
    """Wipes and names the folder of the multiprocess files. Before the first `meter()`, before any fork."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)


class PrometheusMeter:
    """Counts into prometheus-client (implements hie.ports.Meter).

    A metric must never stop a message: an undeclared name or label is counted as such and otherwise ignored.
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        # imported late: prometheus-client decides at its import whether it writes multiprocess files
        from prometheus_client import REGISTRY, Counter, Gauge, Histogram

        registry = registry or REGISTRY
        self._families: dict[str, Counter | Gauge | Histogram] = {}
        for metric in EVENTS:
            if metric.kind == "counter":
                family: Counter | Gauge | Histogram = Counter(
                    metric.name, metric.help, metric.labels, registry=registry
                )
            elif metric.kind == "level":
                family = Gauge(metric.name, metric.help, metric.labels, registry=registry, multiprocess_mode="livesum")
            else:
                family = Histogram(metric.name, metric.help, metric.labels, registry=registry, buckets=metric.buckets)
            self._families[metric.name] = family
        self._children: dict[tuple[object, ...], Counter | Gauge | Histogram] = {}

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        """Adds to a counter or moves a level."""
        child = self._children.get((name, *labels.values())) or self._child(name, labels)
        child.inc(amount)  # type: ignore[union-attr]

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Records a value (seconds, a ratio) in a histogram."""
        child = self._children.get((name, *labels.values())) or self._child(name, labels)
        if hasattr(child, "observe"):
            child.observe(value)
        else:
            self._families["hie_metrics_undeclared_total"].inc()  # type: ignore[union-attr]

    def _child(self, name: str, labels: dict[str, str]) -> Counter | Gauge | Histogram:
        metric, family = DECLARED.get(name), self._families.get(name)
        if metric is None or family is None or set(metric.labels) != set(labels):
            return self._families["hie_metrics_undeclared_total"]
        child = family.labels(**labels) if labels else family
        if tuple(labels) == metric.labels:  # values in declared order: they alone identify the child
            self._children[(name, *labels.values())] = child
        return child


class NoMeter:
    """Counts nothing (pure commands, tests)."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


_lock = threading.Lock()
_meter: PrometheusMeter | None = None


def meter() -> PrometheusMeter:
    """The process's meter. Safe to take before a fork: prometheus-client gives each process files of its own."""
    global _meter
    if _meter is None:
        with _lock:  # two threads that ask first would each declare every metric
            _meter = _meter or PrometheusMeter()
    return _meter
