"""`include:`: lists of a configuration kept in files of their own, each entry with the file and line it came from."""

from __future__ import annotations

from glob import glob
from pathlib import Path

from hie import yamlfile
from hie.errors import ConfigurationError


def with_includes(file: Path) -> yamlfile.Document:
    """The file with the lists of the files under `include:` (patterns relative to it) appended to its own."""
    document = yamlfile.read(file)
    if not isinstance(document.value, dict):
        raise ConfigurationError("must be a mapping", file=str(file), line=1, code="not-a-mapping")
    includes = document.value.pop("include", None) or []
    if not isinstance(includes, str | list) or not all(includes):
        name, line = document.position(("include",))
        raise ConfigurationError("include is a list of file names", file=name, line=line, code="bad-include")
    for pattern in [includes] if isinstance(includes, str) else includes:
        found = sorted(Path(f) for f in glob(str(file.parent / str(pattern)), recursive=True) if not Path(f).is_dir())
        if not found:
            name, line = document.position(("include",))
            raise ConfigurationError(f"no file matches {pattern!r}", file=name, line=line, code="nothing-included")
        for part in found:
            _append(document, yamlfile.read(part))
    return document


def _append(whole: yamlfile.Document, part: yamlfile.Document) -> None:
    where = part.position(())
    if not isinstance(part.value, dict):
        raise ConfigurationError("must be a mapping", file=where[0], line=where[1], code="not-a-mapping")
    for key, value in part.value.items():
        if key == "include":
            where = part.position((key,))
            text = "an included file cannot include others"
            raise ConfigurationError(text, file=where[0], line=where[1], code="include-in-include")
        if not isinstance(value, list):
            where = part.position((key,))
            raise ConfigurationError(
                f"an included file holds lists, {key!r} is none",
                file=where[0],
                line=where[1],
                code="include-not-a-list",
            )
        present = whole.value.setdefault(key, [])
        if not isinstance(present, list):  # the settings classes say so, with the line of the file that is wrong
            continue
        shift = len(present)
        present.extend(value)
        whole.positions.setdefault((key,), part.position((key,)))
        for path, position in part.positions.items():
            if len(path) > 1 and path[0] == key and isinstance(path[1], int):
                whole.positions[(key, path[1] + shift, *path[2:])] = position
