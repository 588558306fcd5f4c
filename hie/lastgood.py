"""The last configuration that a node accepted, kept under its state directory with the files it refers to: a node whose
file was broken while it stood still can start from it (`hie run --last-good`).

The copy is of mode 600: a configuration may hold the password of the database. Files lie beside it under names made of what they hold, so that one written copy is never changed,
and the configuration that names them is replaced in one step.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from pathlib import Path

import orjson
from pydantic import ValidationError

from hie import referenced, yamlfile
from hie.errors import ConfigurationError
from hie.settings import Settings

FOLDER = "last-good"
FILE = "hie.json"
DEFAULT_VAR = "var"
_VAR = re.compile(r"^var:[ \t]*(['\"]?)([^#\n]+?)\1[ \t]*(#.*)?$", re.MULTILINE)


def keep(settings: Settings) -> None:
    """Raises OSError where the state directory takes no write."""
    folder = settings.var / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    body = settings.model_dump(mode="json")
    kept = set()
    for place, file in referenced.files(settings):
        kind = place[-1] if isinstance(place[-1], str) else "codes"
        kept.add(name := f"{kind}-{settings.digest(place)[:32]}")
        _copy([file], folder / name)
        referenced.put(body, place, str(folder / name / file.name))
    if policies := referenced.policy_files(settings):
        kept.add(name := f"policy-{settings.digest(('jurisdiction',))[:32]}")
        _copy(policies, folder / name)
        body["jurisdiction"] = str(folder / name / policies[0].name)
    _write(folder / FILE, orjson.dumps(body, option=orjson.OPT_INDENT_2))
    for other in folder.iterdir():
        if other.is_dir() and other.name not in kept:
            shutil.rmtree(other)


def load(var: Path) -> Settings:
    """Raises ConfigurationError where there is none, or none that this version reads."""
    file = var / FOLDER / FILE
    try:
        settings = Settings.model_validate(orjson.loads(file.read_bytes()))
    except FileNotFoundError:
        hint = "a node keeps one whenever it has started"
        raise ConfigurationError(
            "there is no last good configuration", file=str(file), code="no-last-good", hint=hint
        ) from None
    except (OSError, orjson.JSONDecodeError, ValidationError) as error:
        raise ConfigurationError(
            f"the last good configuration cannot be read ({type(error).__name__})", file=str(file), code="no-last-good"
        ) from None
    return settings.with_files(var, settings.directory)


def state_directory(file: Path) -> Path:
    """Where a configuration keeps its state, as far as that can be told of one that is broken."""
    try:
        value = yamlfile.read(file).value
        said = value.get("var") if isinstance(value, dict) else None
    except ConfigurationError:
        try:
            match = _VAR.search(file.read_text("utf-8", "replace"))
        except OSError:
            match = None
        said = match[2] if match else None
    return (file.parent / str(said or DEFAULT_VAR)).resolve()


def _copy(files: Iterable[Path], folder: Path) -> None:
    if folder.exists():
        for file in files:  # what holds the same under another name
            if not (folder / file.name).exists():
                _write(folder / file.name, file.read_bytes())
        return
    making = folder.with_name(f".{folder.name}.{os.getpid()}")
    making.mkdir(mode=0o700)
    for file in files:
        _write(making / file.name, file.read_bytes())
    making.rename(folder)


def _write(file: Path, data: bytes) -> None:
    """Whole or not at all, and on the disk."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb", closefd=False) as opened:
            opened.write(data)
        os.fsync(handle)
    finally:
        os.close(handle)
    beside.replace(file)
