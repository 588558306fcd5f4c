"""The page of the configuration file: every key with its type, default and meaning."""

from __future__ import annotations

from hie.reference import fields
from hie.settings import Settings

_HEAD = """# Settings

The configuration is one YAML file (`hie run --config FILE`), checked by `hie check --config FILE`: an unknown key is an error
with file, line and the nearest valid name. `include:` names files or patterns relative to the file; the lists in
them (participants, feeds, subscribers) are appended to its own.

A *name* has lower-case letters, digits and hyphens, at most 63. A *duration* is seconds, or `90s`, `15m`, `24h`, `7d`.
Paths (`var`, policies, rosters, includes, certificates, keys, tokens, folders) are relative to the configuration file.
"""


def page() -> str:
    parts = [_HEAD]
    for model in fields.models(Settings):
        title = "The file" if model is Settings else model.__name__
        parts.append(f"## {title}\n\n{(model.__doc__ or '').strip()}\n\n{fields.table_of(model)}")
    return "\n\n".join(part.strip() for part in parts)
