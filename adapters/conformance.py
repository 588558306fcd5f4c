"""The adapter contract as a pytest plugin, for adapters of any distribution:

    pytest -p adapters.conformance --adapter acme_edi

adds one test for each rule of the contract (adapters.contract.RULES) that the package's `quality.yaml` calls done; a rule that is
exempt must say why, and may not be exempt where the manifest offers the part. `check(rule, adapter)` is the same without pytest.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any, Final

import pytest
from pydantic import BaseModel, ValidationError

from adapters.contract import OBLIGATION, OTHER, RULES, SECTIONS, Adapter
from adapters.cost import copying, cpu_seconds
from adapters.damage import damaged
from hie.errors import DecodeError, PermanentRefusal, Rejected
from hie.fhir.validate import issues
from hie.model import Arrival, Receipt, Record, Resource, SubscriberContext

LARGE: Final = 4 * 1024 * 1024
PEEK_COPIES: Final = 60
"""What a peek may cost, in copies of the message: a search or three, never a look at each part."""
_CODE = re.compile(r"[a-z0-9][a-z0-9-]*\Z")


class NotConforming(AssertionError):
    """An adapter breaks a rule. The text names the place, and a value only where it comes from a sample."""


def check(rule: str, adapter: Adapter) -> None:
    """Raises NotConforming where the adapter does not do what it says of this rule."""
    status, why = adapter.quality.get(rule, ("", ""))
    _expect(status in ("done", "exempt"), f"quality.yaml does not answer {rule}")
    if status == "exempt":
        _expect(len(why.split()) >= 4, f"{rule} is exempt without a reason")
        part = rule.partition("-")[0]
        offered = adapter.has({"source": "sources", "sink": "sinks", "encoder": "encoders"}.get(part, part))
        _expect(not offered, f"{rule} is exempt, but the manifest offers a {part}")
        return
    for test in CHECKS.get(rule, ()):
        test(adapter)


def _expect(true: bool, text: str) -> None:
    if not true:
        raise NotConforming(text)


# -- what the package says of itself


def manifest(adapter: Adapter) -> None:
    data = adapter.manifest
    _expect(bool(data.get("name")) and bool(data.get("title")), "the manifest has no name or no title")
    unknown = set(data) - OTHER - set(SECTIONS)
    _expect(not unknown, f"unknown keys in the manifest: {', '.join(sorted(unknown))}")
    _expect(any(adapter.has(part) for part in (*SECTIONS, "encoders")), "the manifest offers nothing")
    for name, reference in _references(adapter):
        try:
            _expect(callable(adapter.object(reference)), f"{name} is not callable")
        except (ImportError, AttributeError) as error:
            raise NotConforming(f"{name} leads nowhere: {error}") from error


def _references(adapter: Adapter) -> Iterator[tuple[str, str]]:
    data = adapter.manifest
    if adapter.has("decoder"):
        _expect({"format", "peek", "decode"} <= set(data["decoder"]) <= SECTIONS["decoder"], "keys of [decoder]")
        yield from ((f"decoder.{k}", v) for k, v in data["decoder"].items() if k != "format")
    for section, entry in (("sources", "serve"), ("sinks", "connect")):
        for name, parts in data.get(section, {}).items():
            _expect({"settings", entry} <= set(parts) <= SECTIONS[section], f"keys of [{section}.{name}]")
            yield from ((f"{section}.{name}.{k}", parts[k]) for k in ("settings", entry, "probe") if k in parts)
    yield from ((f"encoders.{name}", reference) for name, reference in data.get("encoders", {}).items())


def settings(adapter: Adapter) -> None:
    for section in ("sources", "sinks"):
        for name, parts in adapter.manifest.get(section, {}).items():
            model = adapter.object(parts["settings"])
            _expect(isinstance(model, type) and issubclass(model, BaseModel), f"{name}: settings are no pydantic model")
            _typed(model, set())
            _example(model, parts, name)


def _typed(model: type[BaseModel], seen: set[type[BaseModel]]) -> None:
    seen.add(model)
    _expect(model.model_config.get("extra") == "forbid", f"{model.__name__} takes unknown keys")
    for name, field in model.model_fields.items():
        _expect(len(field.description or "") >= 8, f"{model.__name__}.{name} has no description")
        _expect(field.annotation is not Any, f"{model.__name__}.{name} has no type")
        inside = [field.annotation, *getattr(field.annotation, "__args__", ())]
        for other in inside:
            if isinstance(other, type) and issubclass(other, BaseModel) and other not in seen:
                _typed(other, seen)


def _example(model: type[BaseModel], parts: dict[str, Any], name: str) -> BaseModel:
    """Settings that the package itself gives as an example, or its defaults."""
    try:
        return model.model_validate(parts.get("example", {}))
    except ValidationError as error:
        raise NotConforming(f"{name}: the example in the manifest is refused: {error}") from error


# -- decoding

_forbidden: list[str] = []
_watching = False
_installed: list[Callable[..., None]] = []


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if _watching and event.startswith(("open", "socket.connect", "socket.bind", "subprocess.", "os.system", "os.fork")):
        _forbidden.append(event)


def decoder_pure(adapter: Adapter) -> None:
    global _watching
    if _watch not in _installed:
        sys.addaudithook(_watch)
        _installed.append(_watch)
    list(adapter.decoded())  # tables are read once, with the first message
    _forbidden.clear()
    _watching = True
    try:
        list(adapter.decoded())
    finally:
        _watching = False
    _expect(not _forbidden, f"decoding does I/O: {', '.join(sorted(set(_forbidden)))}")


def decoder_deterministic(adapter: Adapter) -> None:
    here = digest(adapter)
    _expect(here == digest(adapter), "two decodes of the same bytes differ")
    program = f"from adapters.conformance import digest, Adapter; print(digest(Adapter({adapter.package!r})))"
    environment = {**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    _expect(done.stdout.strip() == here, f"another process decodes differently {done.stderr[-500:]}")


def digest(adapter: Adapter) -> str:
    """sha256 over everything that the samples decode to."""
    return hashlib.sha256(b"\n".join(repr(record).encode() for _, record in adapter.decoded())).hexdigest()


def decoder_refusals_coded(adapter: Adapter) -> None:
    for size, error in _refusals(adapter):
        _expect(bool(error.code) and bool(_CODE.match(error.code)), f"a refusal without a code ({size} bytes)")


def no_patient_data_in_errors(adapter: Adapter) -> None:
    values = {value for _, record in adapter.decoded() for value in _values(record)}
    for _, error in _refusals(adapter):
        _expect(not _told(str(error), values), f"the text of the refusal {error.code} holds a value of the message")


@lru_cache(maxsize=8)
def _refusals(adapter: Adapter) -> list[tuple[int, Rejected]]:
    """(length of the damaged input, how it was refused), found once for the two rules that look at it."""
    return list(_refused(adapter))


def _refused(adapter: Adapter) -> Iterator[tuple[int, Rejected]]:
    for raw in damaged(adapter.samples):
        try:
            adapter.decode(raw)
        except DecodeError as error:
            yield len(raw), error
        except Exception as error:
            raise NotConforming(f"decode raised {type(error).__name__} on damaged input") from error
        try:
            adapter.peek(raw)
        except Rejected as error:
            yield len(raw), error
        except Exception as error:
            raise NotConforming(f"peek raised {type(error).__name__} on damaged input") from error


def decoder_sources(adapter: Adapter) -> None:
    for sample, record in adapter.decoded():
        known = _known(record)
        for source in record.sources:
            _expect(source.reference in known, f"{sample.name}: the source {source.where} points to no resource")
            _expect(bool(source.where), f"{sample.name}: a source without a place")
        _expect(record.patient is None or record.patient in known, f"{sample.name}: the subject is not in the record")
        for statement in record.deleted:
            _expect(statement.reference in known, f"{sample.name}: something deleted is not in the record")


def decoder_unmapped(adapter: Adapter) -> None:
    for sample, record in adapter.decoded():
        values = _values(record)
        for where, times in record.unmapped:
            _expect(bool(where) and times >= 1, f"{sample.name}: an unmapped place without a name or a count")
            _expect(not _told(where, values), f"{sample.name}: an unmapped place holds a value")


def decoder_warnings_coded(adapter: Adapter) -> None:
    for sample, record in adapter.decoded():
        values = _values(record)
        for code, where, text in record.warnings:
            _expect(bool(_CODE.match(code)), f"{sample.name}: a warning with the code {code!r}")
            _expect(not _told(f"{where} {text}", values), f"{sample.name}: the warning {code} holds a value")


def decoder_valid_r4(adapter: Adapter) -> None:
    for sample, record in adapter.decoded():
        found = issues(record.resources, _known(record))
        _expect(not found, f"{sample.name}: {found[:3]}")
        _expect(len(_known(record)) == len(record.resources), f"{sample.name}: two resources have one id")


def peek_bounded(adapter: Adapter) -> None:
    """CPU seconds of a peek against those of copying the same bytes, in one run: true on a machine of any speed."""
    for sample in adapter.samples:
        raw = sample.raw + b" " * LARGE + sample.raw[-200:]
        copy = copying(raw)
        peeking = cpu_seconds(partial(adapter.peek, raw))
        allowed = PEEK_COPIES * copy + 0.005
        _expect(
            peeking < allowed,
            f"{sample.name}: peeking at {len(raw)} bytes costs {peeking / copy:.0f} copies of them",
        )


def golden_samples(adapter: Adapter) -> None:
    _expect(bool(adapter.samples), "samples/ holds no input")
    if adapter.has("decoder"):
        for sample in adapter.samples:
            _expect(bool(adapter.decode(sample.raw)), f"{sample.name} gives no record")


def _known(record: Record) -> frozenset[str]:
    return frozenset(f"{r['resourceType']}/{r['id']}" for r in record.resources)


def _values(record: Record) -> set[str]:
    """What identifies the patients of a record: names, numbers, addresses, dates."""
    found: set[str] = set()
    for resource in record.resources:
        if resource["resourceType"] in ("Patient", "RelatedPerson"):
            for name in ("name", "identifier", "telecom", "address", "birthDate"):
                found |= set(_strings(resource.get(name)))
    return {value for value in found if len(value) > 3}


def _strings(value: Resource | list[Any] | str | None) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("system", "use", "type", "extension", "period", "country", "state"):
                yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)
    elif isinstance(value, str):
        yield value


def _told(text: str, values: set[str]) -> bool:
    return any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for value in values)


# -- on the way out


def encoder_deterministic(adapter: Adapter) -> None:
    for name, view, _ in _encoded(adapter):
        first = _encode(adapter, name, view)
        _expect(first == _encode(adapter, name, view), f"the encoder {name} gives other bytes the second time")


def encoder_obligations(adapter: Adapter) -> None:
    told = set()
    for name, _, payload in _encoded(adapter):
        if payload is not None:
            told.add(name)
            _expect(OBLIGATION.encode() in payload, f"the encoder {name} leaves out a text that must travel along")
    _expect(told == set(adapter.manifest.get("encoders", {})), "an encoder encodes none of the views")


def _encoded(adapter: Adapter) -> Iterator[tuple[str, Any, bytes | None]]:
    for name in adapter.manifest.get("encoders", {}):
        for view in adapter.views():
            yield name, view, _encode(adapter, name, view)


def _encode(adapter: Adapter, name: str, view: Any) -> bytes | None:
    try:
        made: bytes = adapter.object(adapter.manifest["encoders"][name])(view, SubscriberContext("acme", "D-42"))
    except PermanentRefusal as error:
        _expect(bool(_CODE.match(error.code)), f"the encoder {name} refuses without a code")
        return None
    _expect(isinstance(made, bytes), f"the encoder {name} gives no bytes")
    return made


class _Meter:
    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...

    def observe(self, name: str, value: float, **labels: str) -> None: ...


async def _accept(arrival: Arrival) -> Receipt:
    return Receipt("20260131-00000042")


def source(adapter: Adapter) -> None:
    for name, parts in adapter.manifest.get("sources", {}).items():
        options = _example(adapter.object(parts["settings"]), parts, name)
        injected: list[Any] = [lambda raw, source: []] if parts.get("opens") else []
        made = adapter.object(parts["serve"])("conformance", options, _accept, _Meter(), *injected)
        for method in ("start", "drain"):
            found = inspect.iscoroutinefunction(getattr(made, method, None))
            _expect(found, f"the source {name} has no async {method}")


def sink(adapter: Adapter) -> None:
    for name, parts in adapter.manifest.get("sinks", {}).items():
        asyncio.run(_sink(adapter, name, parts))


async def _sink(adapter: Adapter, name: str, parts: dict[str, Any]) -> None:
    options = _example(adapter.object(parts["settings"]), parts, name)
    made = adapter.object(parts["connect"])(options, _Meter())
    for method in ("send", "close"):
        _expect(inspect.iscoroutinefunction(getattr(made, method, None)), f"the sink {name} has no async {method}")
    _expect(
        isinstance(getattr(made, "idempotent", None), bool), f"the sink {name} does not say whether it is idempotent"
    )
    await made.close()
    await made.close()


CHECKS: Final[dict[str, tuple[Callable[[Adapter], None], ...]]] = {
    "manifest": (manifest,),
    "settings": (settings,),
    "decoder-pure": (decoder_pure,),
    "decoder-deterministic": (decoder_deterministic,),
    "decoder-refusals-coded": (decoder_refusals_coded,),
    "decoder-sources": (decoder_sources,),
    "decoder-unmapped": (decoder_unmapped,),
    "decoder-warnings-coded": (decoder_warnings_coded,),
    "decoder-valid-r4": (decoder_valid_r4,),
    "peek-bounded": (peek_bounded,),
    "golden-samples": (golden_samples,),
    "fuzzed": (),
    "no-patient-data-in-errors": (no_patient_data_in_errors,),
    "encoder-deterministic": (encoder_deterministic,),
    "encoder-obligations": (encoder_obligations,),
    "source": (source,),
    "sink": (sink,),
}
"""Rule -> what proves it. `fuzzed` is proven by the adapter's own tests alone."""


# -- the plugin


class Rule(pytest.Item):
    """One rule for one adapter."""

    def __init__(self, *, adapter: Adapter, rule: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.adapter = adapter
        self.rule = rule

    def runtest(self) -> None:
        check(self.rule, self.adapter)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, NotConforming):
            return f"{self.adapter.package} breaks the rule {self.rule}: {RULES[self.rule]}\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[str, int, str]:
        return str(self.adapter.folder / "quality.yaml"), 0, self.name


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--adapter", action="append", default=[], metavar="PACKAGE", help="check this adapter's contract")


def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    for package in config.getoption("--adapter"):
        adapter = Adapter(package)
        for rule in RULES:
            items.append(Rule.from_parent(session, name=f"{package}::{rule}", adapter=adapter, rule=rule))
