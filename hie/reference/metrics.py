"""The page of metrics: one heading each, from the table that declares them."""

from __future__ import annotations

from hie.metrics import TABLE, Declared

_HEAD = """# Metrics

`GET /metrics` answers them in the Prometheus text format; it needs the right `metrics-read`. Kinds: a *counter* only
rises (until a restart), a *histogram* counts into buckets, a *level* and a *state* rise and fall. A state is read from the store at each
scrape; the others are counted where things happen. No label holds a patient, a message id or a file name.
"""


def page() -> str:
    return "\n\n".join([_HEAD.strip(), *(_metric(metric) for metric in TABLE)])


def _metric(metric: Declared) -> str:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    said = f"{metric.kind}" + (f", by {labels}" if labels else "")
    text = f"## `{metric.name}`\n\n{metric.help}\n\n{said[0].upper()}{said[1:]}."
    if metric.buckets:
        text += f" Buckets: {', '.join(f'{bucket:g}' for bucket in metric.buckets)}."
    return text
