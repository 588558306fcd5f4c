"""Finds adapters by entry point and loads only the part that is asked for.

Every adapter package has a `manifest.toml` that names its parts as `module:attribute`, so that intake, which must
start fast, never imports a decoder, and a pool worker never imports a listener.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

from hie.errors import ConfigurationError
from hie.spelling import meant

GROUP = "hie.adapters"


class Manifest:
    """The parsed manifest.toml of one adapter."""

    def __init__(self, package: str) -> None:
        self.package = package
        try:
            text = files(package).joinpath("manifest.toml").read_text("utf-8")
        except (OSError, ModuleNotFoundError):
            raise ConfigurationError(
                f"the adapter package {package!r} has no manifest.toml", code="no-manifest", hint="reinstall it"
            ) from None
        self.data: dict[str, Any] = tomllib.loads(text)
        self.name: str = self.data["name"]

    def part(self, *path: str) -> Any:
        """The object behind a reference, e.g. `part("sources", "mllp", "serve")`. Raises KeyError where there is none."""
        node: Any = self.data
        for step in path:
            node = node[step]
        module, _, attribute = node.partition(":")
        return getattr(import_module(module), attribute)


@lru_cache(maxsize=1)
def manifests() -> dict[str, Manifest]:
    """Adapter name -> manifest, for every installed adapter."""
    found = {}
    for entry in entry_points(group=GROUP):
        manifest = Manifest(entry.value)
        found[manifest.name] = manifest
    return found


@lru_cache(maxsize=64)
def decoder(format: str, part: str) -> Any:
    """`peek` or `decode` of a format. Raises ConfigurationError with the known formats."""
    for manifest in manifests().values():
        if manifest.data.get("decoder", {}).get("format") == format:
            return manifest.part("decoder", part)
    hint = meant(format, formats())
    raise ConfigurationError(f"no adapter decodes {format!r}", code="unknown-format", hint=hint)


@lru_cache(maxsize=64)
def splitter(format: str) -> Any | None:
    """What takes several messages in one body apart, None where the format has no such thing."""
    for manifest in manifests().values():
        if manifest.data.get("decoder", {}).get("format") == format and "split" in manifest.data["decoder"]:
            return manifest.part("decoder", "split")
    return None


@lru_cache(maxsize=64)
def examiner(format: str) -> Any | None:
    """What holds a message of a format against its standard and a site's profile; None where its adapter cannot."""
    for manifest in manifests().values():
        if manifest.data.get("decoder", {}).get("format") == format and "examine" in manifest.data["decoder"]:
            return manifest.part("decoder", "examine")
    return None


def opens(source: str) -> bool:
    """Whether a kind of source carries any format, and so is given hie.ports.Open."""
    return any(m.data.get("sources", {}).get(source, {}).get("opens", False) for m in manifests().values())


@lru_cache(maxsize=64)
def named(section: str, name: str, part: str | None = None) -> Any:
    """A source, sink or encoder by its name over all adapters: `named("sinks", "mllp", "connect")`, `named("encoders", "original")`."""
    for manifest in manifests().values():
        if name in manifest.data.get(section, {}):
            return manifest.part(section, name, part) if part else manifest.part(section, name)
    raise ConfigurationError(
        f"no adapter has {name!r} among its {section}", code=f"unknown-{section}", hint=meant(name, names(section))
    )


def names(section: str) -> list[str]:
    """The sources, sinks or encoders of all adapters; loads none of them."""
    return sorted({name for manifest in manifests().values() for name in manifest.data.get(section, {})})


def formats() -> list[str]:
    """The formats that some adapter decodes; loads no decoder."""
    return sorted(m.data["decoder"]["format"] for m in manifests().values() if "decoder" in m.data)


def carried(sink: str) -> list[str]:
    """The encoders whose output a kind of sink carries, by its manifest; none named: any."""
    for manifest in manifests().values():
        if sink in manifest.data.get("sinks", {}):
            return list(manifest.data["sinks"][sink].get("encoders", ()))
    return []


def overrides(format: str) -> list[str]:
    """The keys that a feed of this format may have under `overrides`, by the manifest of its decoder."""
    for manifest in manifests().values():
        if manifest.data.get("decoder", {}).get("format") == format:
            return sorted(manifest.data.get("overrides", ()))
    return []


def override_check(format: str) -> Any | None:
    """What looks at the values under a feed's `overrides`: overrides -> (path below them, sentence, code, hint) of each thing
    wrong; None where the adapter has no such thing."""
    for manifest in manifests().values():
        if manifest.data.get("decoder", {}).get("format") == format and "check" in manifest.data["decoder"]:
            return manifest.part("decoder", "check")
    return None


def probe(section: str, name: str) -> Any:
    """How a source or sink looks whether the other side is there (hie.ports.Probe); None where its adapter cannot."""
    for manifest in manifests().values():
        if "probe" in manifest.data.get(section, {}).get(name, {}):
            return manifest.part(section, name, "probe")
    return None
