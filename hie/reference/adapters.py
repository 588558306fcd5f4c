"""The page of adapters: what each manifest offers, its settings, and its rules of the contract."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel

from hie import registry
from hie.reference import fields
from hie.reference.markdown import table
from hie.registry import Manifest

_HEAD = """# Adapters

The ways in and out that come with hie. A feed names a `format` and a `source`, a subscriber a `sink` and an `encoder`. Each folder
declares its parts in `manifest.toml` and answers every rule of the adapter contract in `quality.yaml`.
"""


def page() -> str:
    return "\n\n".join([_HEAD.strip(), *(_adapter(manifest) for manifest in ours())])


def ours() -> list[Manifest]:
    """The adapters of this distribution, by name; what another distribution adds has its pages there."""
    return sorted((m for m in registry.manifests().values() if m.package.startswith("adapters.")), key=lambda m: m.name)


def quality(package: str) -> dict[str, tuple[str, str]]:
    """Rule -> ("done", "") or ("exempt", the reason), from quality.yaml."""
    read: dict[str, Any] = yaml.safe_load(files(package).joinpath("quality.yaml").read_text("utf-8"))
    found = {}
    for rule, answer in read["rules"].items():
        found[rule] = (answer, "") if isinstance(answer, str) else (answer["status"], answer.get("comment", ""))
    return found


def _adapter(manifest: Manifest) -> str:
    parts = [f"## {manifest.name}", manifest.data["title"] + "."]
    if "decoder" in manifest.data:
        parts.append(f"Reads the format `{manifest.data['decoder']['format']}`.")
    if encoders := manifest.data.get("encoders"):
        parts.append("Encoders: " + ", ".join(f"`{name}`" for name in encoders) + ".")
    for section, one in (("sources", "Source"), ("sinks", "Sink")):
        for name in manifest.data.get(section, {}):
            model: type[BaseModel] = manifest.part(section, name, "settings")
            parts += [f"### {one} `{name}`", *_settings(model)]
            if taken := manifest.data[section][name].get("encoders"):
                parts.append("Sends what these encoders make: " + ", ".join(f"`{encoder}`" for encoder in taken) + ".")
    if overrides := manifest.data.get("overrides"):
        rows = [(f"`{name}`", text) for name, text in overrides.items()]
        parts += ["### Overrides of a feed", table(("key", "meaning"), rows)]
    rules = quality(manifest.package)
    parts += ["### Contract", table(("rule", "", "reason"), [(f"`{r}`", s, why) for r, (s, why) in rules.items()])]
    return "\n\n".join(parts)


def _settings(model: type[BaseModel]) -> list[str]:
    found = []
    for each in fields.models(model):
        if each is not model:
            found.append(f"#### {each.__name__}")
        found += [(each.__doc__ or "").strip(), fields.table_of(each)]
    return found
