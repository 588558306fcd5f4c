"""Python, the packages it finds, and what the operating system allows this user."""

from __future__ import annotations

import re
import resource
import sys
from collections.abc import Iterator
from importlib import metadata

from hie.clash import check_packages
from hie.doctor.finding import Finding, fail, ok, warn
from hie.errors import ConfigurationError
from hie.settings import Settings, adapter_settings

OLDEST_PYTHON = (3, 11)
SPARE_FILES = 256
"""Descriptors of one process beyond those of its connections: databases, sockets, pipes."""
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?\s*([^;]*)(;.*)?\Z")
_BOUND = re.compile(r"(>=|<=|==|<|>)\s*([0-9][0-9.]*)")
_HOLDS = {
    ">=": lambda have, bound: have >= bound,
    "<=": lambda have, bound: have <= bound,
    "==": lambda have, bound: have == bound,
    "<": lambda have, bound: have < bound,
    ">": lambda have, bound: have > bound,
}


def environment(settings: Settings) -> Iterator[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < OLDEST_PYTHON:
        yield fail("python-version", f"Python {version} is too old", "Python 3.11 or newer")
    else:
        yield ok("python-version", f"Python {version}")
    try:
        check_packages()
    except ConfigurationError as error:
        yield fail(error.code, error.text, error.hint)
    wrong = list(packages())
    yield from wrong
    if not wrong:
        yield ok("packages", f"hie {metadata.version('hie')}, every package it needs in a version it was tested with")
    yield _open_files(settings)


def packages() -> Iterator[Finding]:
    """Of the bounds of pyproject.toml, as the installed distribution carries them, those that do not hold."""
    for requirement in metadata.requires("hie") or ():
        name, bounds, condition = _parsed(requirement)
        if "extra ==" in condition:
            continue
        try:
            have = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield fail("package-missing", f"the package {name} is not installed", f"pip install '{name}{bounds}'")
            continue
        if not within(have, bounds):
            text = f"{name} {have} is installed, and {bounds} is what hie was tested with"
            yield fail("package-version", text, f"pip install '{name}{bounds}'")


def _parsed(requirement: str) -> tuple[str, str, str]:
    match = _REQUIREMENT.match(requirement)
    assert match is not None
    return match[1], match[2].strip(), match[3] or ""


def within(version: str, bounds: str) -> bool:
    """Whether a version lies in bounds such as `>=2.1,<2.2`, by its leading numbers."""
    have = _numbers(version)
    for operator, bound in _BOUND.findall(bounds):
        wanted = _numbers(bound)
        length = max(len(have), len(wanted))
        padded = [(*numbers, *(0,) * (length - len(numbers))) for numbers in (have, wanted)]
        if not _HOLDS[operator](*padded):
            return False
    return True


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match[0].split(".")) if match else ()


def _open_files(settings: Settings) -> Finding:
    needed = SPARE_FILES
    for feed in settings.feeds:
        if feed.kind != "http":
            source = adapter_settings("sources", feed.source, settings.directory)
            needed += int(getattr(source, "max_connections", 0))
    allowed, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed != resource.RLIM_INFINITY and allowed < needed:
        text = f"a process may open {allowed} files, and the listeners together may need {needed}"
        more = f"at most {hard} without the administrator" if hard not in (allowed, resource.RLIM_INFINITY) else ""
        return warn(
            "open-files", text, "; ".join(filter(None, (f"ulimit -n {needed}, or LimitNOFILE of systemd", more)))
        )
    return ok("open-files", f"{allowed} open files allowed, {needed} may be needed")
