"""The files that a configuration refers to and that decide with it: the policy with those it extends, the rosters, and the
code tables.

They belong to the version of the configuration: a changed roster is another configuration, though its name is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hie import yamlfile
from hie.errors import ConfigurationError

if TYPE_CHECKING:
    from hie.settings import Settings

Place = tuple[str | int, ...]
"""Path of the setting that names the file."""
UNREADABLE = ""


def policy_files(settings: Settings) -> list[Path]:
    """The site's policy file, then each file beside it that it extends; none where the policy is a shipped one."""
    found: list[Path] = []
    step = settings.policy if isinstance(settings.policy, Path) else None
    while step is not None and step not in found:
        found.append(step)
        try:
            value = yamlfile.read(step).value
        except ConfigurationError:  # said by whoever reads the policy
            break
        base = value.get("extends") if isinstance(value, dict) else None
        beside = step.parent / f"{base}.yaml"
        step = beside if base and beside.exists() else None
    return found


def rosters(settings: Settings) -> Iterator[tuple[Place, Path]]:
    for i, subscriber in enumerate(settings.subscribers):
        for j, subscription in enumerate(subscriber.subscriptions):
            if subscription.roster is not None:
                yield ("subscribers", i, "subscriptions", j, "roster"), settings.directory / subscription.roster


def code_tables(settings: Settings) -> Iterator[tuple[Place, Path]]:
    """Of the site, of each feed, of each sender of a feed, in this order."""
    for i, file in enumerate(settings.codes):
        yield ("codes", i), settings.directory / file
    for i, feed in enumerate(settings.feeds):
        for k, file in enumerate(feed.codes):
            yield ("feeds", i, "codes", k), settings.directory / file
        for j, sender in enumerate(feed.senders):
            for k, file in enumerate(sender.codes):
                yield ("feeds", i, "senders", j, "codes", k), settings.directory / file


def profiles(settings: Settings) -> Iterator[tuple[Place, Path]]:
    for i, feed in enumerate(settings.feeds):
        if feed.profile is not None:
            yield ("feeds", i, "profile"), settings.directory / feed.profile


def files(settings: Settings) -> Iterator[tuple[Place, Path]]:
    """Each file that a setting names by itself; a policy's are several."""
    yield from rosters(settings)
    yield from code_tables(settings)
    yield from profiles(settings)


def digests(settings: Settings) -> dict[Place, str]:
    """Place -> digest of what the files there hold now (hex), `UNREADABLE` where one cannot be read."""
    found = {place: _digest([file]) for place, file in files(settings)}
    if policies := policy_files(settings):
        found["jurisdiction",] = _digest(policies)
    return found


def put(body: Any, place: Place, value: str) -> None:
    """Sets what a dumped configuration (settings.model_dump) says at `place`."""
    for step in place[:-1]:
        body = body[step]
    body[place[-1]] = value


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    except OSError:
        return UNREADABLE
    return digest.hexdigest()
