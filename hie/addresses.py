"""The addresses that a configuration listens on, and whether they can be had."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import NamedTuple

from hie.settings import Settings, adapter_settings


class Address(NamedTuple):
    who: str
    host: str
    port: int
    place: tuple[str | int, ...]
    """Path of the setting."""


def addresses(settings: Settings) -> Iterator[Address]:
    """Of fixed ports: 0 takes any free one."""
    if settings.http.port:
        yield Address("http", settings.http.host, settings.http.port, ("http", "port"))
    for i, feed in enumerate(settings.feeds):
        if feed.kind == "http":
            continue
        source = adapter_settings("sources", feed.source, settings.directory)
        if port := getattr(source, "port", 0):
            yield Address(f"feed {feed.name}", str(source.host), int(port), ("feeds", i, "source", "port"))


def taken(host: str, port: int) -> str:
    """Why the address cannot be had; "" where it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return (error.strerror or type(error).__name__).lower()
    return ""
