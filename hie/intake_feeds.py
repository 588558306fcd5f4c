"""The configured feeds as intake sees them: adapters' settings resolved, nothing else loaded."""

from __future__ import annotations

from hie.intake.dedupe import Window
from hie.intake.process import IntakeFeed
from hie.intake.reading import Context
from hie.participants import Directory
from hie.settings import Settings, adapter_settings


def intake_feeds(settings: Settings) -> tuple[IntakeFeed, ...]:
    types = Directory(settings.participants).types
    return tuple(
        IntakeFeed(
            name=feed.name,
            format=feed.format,
            kind=feed.kind,
            settings=None if feed.kind == "http" else adapter_settings("sources", feed.source, settings.directory),
            context=Context(settings.dialects.context(feed.name), types.get(feed.participant, frozenset())),
            window=Window(feed.dedupe_window, feed.dedupe_ignores_time),
            history=feed.priority == "backfill",
        )
        for feed in settings.feeds
    )
