"""Typed settings as tables: the words for types and defaults."""

from __future__ import annotations

import re
import types
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator
from pydantic.fields import FieldInfo

from hie.reference.markdown import table
from hie.sections import Name

_WORDS: Final[dict[Any, str]] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
    Any: "any value",
}
_UNITS: Final = (("w", 604800), ("d", 86400), ("h", 3600), ("min", 60))


def models(root: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and every model its fields lead to, in order of appearance."""
    found = [root]
    for model in found:
        for field in model.model_fields.values():
            found += [m for m in _models_in(field.annotation) if m not in found]
    return found


def table_of(model: type[BaseModel]) -> str:
    rows = [
        (f"`{name}`", kind(field), default(field), field.description or "")
        for name, field in model.model_fields.items()
    ]
    return table(("key", "type", "default", "meaning"), rows)


def kind(field: FieldInfo) -> str:
    """The type in words, limits included."""
    said = _type(field.annotation, field.metadata)
    limits = [
        f"{sign} {getattr(limit, name)}"
        for limit in field.metadata
        for name, sign in (("ge", "at least"), ("gt", "more than"), ("le", "at most"), ("lt", "less than"))
        if getattr(limit, name, None) is not None
    ]
    return ", ".join([said, *limits])


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None or value in ("", (), {}, frozenset()):
        return "none"
    if isinstance(value, BaseModel):
        return "its defaults"
    if isinstance(value, tuple) and any(isinstance(item, BaseModel) for item in value):
        return "one with its defaults"
    if isinstance(value, bool):
        return "`true`" if value else "`false`"
    if isinstance(value, int | float):
        return (
            f"`{_duration(value)}`"
            if _is_duration(field.annotation, field.metadata)
            else f"`{value:g}`"
            if (isinstance(value, float))
            else f"`{value}`"
        )
    if isinstance(value, Path):
        return f"`{value.as_posix()}`"
    if isinstance(value, tuple):
        return "`[" + ", ".join(f'"{item}"' if item == "*" else str(item) for item in value) + "]`"
    return f"`{value}`"


def _duration(seconds: float) -> str:
    for unit, size in _UNITS[1:]:
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _is_duration(annotation: Any, metadata: list[Any]) -> bool:
    inside = [m for a in get_args(annotation) for m in getattr(a, "__metadata__", ())]
    return any(isinstance(m, BeforeValidator) and m.func.__name__ == "duration" for m in [*metadata, *inside])


def _type(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(arguments[0], arguments[1:])
    if _is_duration(None, list(metadata)):
        return "duration"
    if annotation is str and any(_pattern(m) == _pattern(n) for m in metadata for n in get_args(Name)[1:]):
        return "name"
    if origin is Literal:
        return " or ".join(f"`{a}`" for a in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(_type(a) for a in arguments if a is not type(None)))
    if origin in (tuple, frozenset, list):
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"mapping to {_type(arguments[1])}" if arguments[1] is not Any else "mapping"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return (
        _WORDS.get(annotation) or "network"
        if "Network" in str(annotation)
        else _WORDS.get(annotation, _plain(annotation))
    )


def _pattern(metadata: Any) -> str:
    for holder in (metadata, *getattr(metadata, "metadata", ())):
        if found := getattr(holder, "pattern", None):
            return str(found)
    return f"none: {metadata!r}"


def _plain(annotation: Any) -> str:
    """`SomeClass` -> "some class"."""
    return re.sub(r"(?<!^)(?=[A-Z])", " ", getattr(annotation, "__name__", str(annotation))).lower()


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in _models_in(argument)]
