"""Durable commits of a running node, read from its metric files: each ends in one fsync of a write-ahead log."""

from __future__ import annotations

from pathlib import Path

from prometheus_client import CollectorRegistry

from hie.counted import Counted

COUNTED = ("hie_journal_commits_total", "hie_store_commits_total")


def commits(var: Path) -> int:
    registry = CollectorRegistry()
    Counted(registry, var / "metrics")
    return int(
        sum(sample.value for family in registry.collect() for sample in family.samples if sample.name in COUNTED)
    )
