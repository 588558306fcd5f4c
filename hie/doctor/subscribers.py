"""Whether subscribers, brokers and folders are there, by the probe of their adapter. Sends no message and no data."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from hie import registry
from hie.doctor.finding import Finding, fail, ok
from hie.errors import HieError
from hie.settings import Settings, adapter_settings

AT_ONCE = 16


def subscribers(settings: Settings) -> Iterator[Finding]:
    asked = []
    for subscriber in settings.subscribers:
        asked.append(partial(_looked, f"subscriber {subscriber.name}", "sinks", subscriber.sink, settings))
    for feed in settings.feeds:
        if feed.kind != "http" and registry.probe("sources", feed.kind) is not None:
            asked.append(partial(_looked, f"feed {feed.name}", "sources", feed.source, settings))
    with ThreadPoolExecutor(AT_ONCE, "doctor") as pool:
        yield from pool.map(lambda ask: ask(), asked)


def _looked(who: str, section: str, options: dict[str, Any], settings: Settings) -> Finding:
    probe = registry.probe(section, str(options["kind"]))
    if probe is None:
        return ok("not-looked-at", f"{who}: its adapter has no way to look without sending")
    try:
        return ok("reached", f"{who}: {probe(adapter_settings(section, options, settings.directory))}")
    except HieError as error:
        hint = error.hint or "is it running? address, network, firewall"
        return fail("unreachable", f"{who}: {error.text}", hint)
    except Exception as error:
        return fail(
            "unreachable", f"{who}: the look failed ({type(error).__name__})", "see that its settings are right"
        )
