"""YAML with positions: every error names its file and line.

All scalars are read as text and typed by the settings classes, so that `NO` stays Norway and `08` stays eight.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from hie.errors import ConfigurationError

Position = tuple[str, int]
Path_ = tuple[str | int, ...]
LARGEST_FILE = 4 * 1024 * 1024
MOST_NODES = 200_000
DEEPEST = 50
"""Bounds on what a person writes: a few hundred bytes of nested aliases would otherwise fill the memory."""


class Document:
    """Parsed value plus the position (file, 1-based line) of every node by its path."""

    def __init__(self, value: Any, positions: dict[Path_, Position]) -> None:
        self.value = value
        self.positions = positions

    def position(self, path: Path_) -> Position:
        """Where `path` stands, or its nearest ancestor that exists."""
        while path and path not in self.positions:
            path = path[:-1]
        return self.positions.get(path, ("", 0))


def read(file: Path) -> Document:
    """Reads one file. Raises ConfigurationError for what is not YAML, for duplicate keys, anchor loops and other tags."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot be read: {_why(error)}", file=str(file), code="unreadable") from None
    if len(raw) > LARGEST_FILE:
        raise ConfigurationError("is larger than 4 MiB", file=str(file), code="unreadable")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 0
        raise ConfigurationError(
            f"is not YAML: {error.problem}", file=str(file), line=line, code="not-yaml", hint="check the indentation"
        ) from None
    except yaml.YAMLError:
        raise ConfigurationError("is not text: it holds control characters", file=str(file), code="not-yaml") from None
    except RecursionError:
        raise ConfigurationError("is nested too deeply", file=str(file), code="not-yaml") from None
    positions: dict[Path_, Position] = {}
    return Document({} if node is None else _build(node, (), str(file), positions), positions)


def _why(error: OSError | UnicodeDecodeError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is not UTF-8 text"
    return (error.strerror or type(error).__name__).lower()


def _build(node: yaml.Node, path: Path_, file: str, positions: dict[Path_, Position]) -> Any:
    line = node.start_mark.line + 1
    if len(path) > DEEPEST or len(positions) > MOST_NODES:
        raise ConfigurationError("is nested too deeply or too large", file=file, line=line, code="not-yaml")
    positions.setdefault(path, (file, line))
    if isinstance(node, yaml.MappingNode):
        built: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise ConfigurationError("a key must be a word", file=file, line=line, code="not-yaml")
            key = key_node.value
            key_line = key_node.start_mark.line + 1
            if key in built:
                raise ConfigurationError(f"{key!r} stands twice", file=file, line=key_line, code="duplicate-key")
            positions[(*path, key)] = (file, key_line)
            built[key] = _build(value_node, (*path, key), file, positions)
        return built
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, i), file, positions) for i, child in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    if node.style is None and node.value in ("", "~", "null"):
        return None
    return node.value
