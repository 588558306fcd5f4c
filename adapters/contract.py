"""The adapter contract: every rule with its sentence, and what answers it in an adapter's package.

An adapter is a package with `manifest.toml`, `quality.yaml` (each rule done, or exempt with the reason) and `samples/`.
The checks themselves are in adapters.conformance; this module reads the package.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import yaml

from hie.model import FeedContext, Record, View

RULES: Final[dict[str, str]] = {
    "manifest": "The manifest has a name, a title and no unknown key; every reference in it leads to an object.",
    "settings": "Settings of sources and sinks are typed, refuse unknown keys, and describe every field.",
    "decoder-pure": "Decoding opens no file and no connection and starts nothing.",
    "decoder-deterministic": "The same bytes give the same records, in another process too.",
    "decoder-refusals-coded": "Damaged input ends in records or in a DecodeError with a code, never in anything else.",
    "decoder-sources": "Every source points to a resource of its record.",
    "decoder-unmapped": "What reached no resource is listed by place, without values.",
    "decoder-warnings-coded": "Warnings have a code and a place and hold no value of the message.",
    "decoder-valid-r4": "Every resource is valid FHIR R4 and every reference resolves inside its record.",
    "peek-bounded": "Peeking at a message of several megabytes costs no more than copying it a few dozen times.",
    "golden-samples": "Samples are in the package, and the adapter's own tests compare what becomes of them.",
    "fuzzed": "The adapter's own tests run the decoder on generated input.",
    "no-patient-data-in-errors": "The texts of refusals hold no value of the message.",
    "encoder-deterministic": "The same view gives the same bytes; what cannot be encoded is a PermanentRefusal.",
    "encoder-obligations": "Texts that must travel along stand in what is sent.",
    "source": "A source starts and drains.",
    "sink": "A sink sends, closes, and says whether a repeated key has a second effect.",
}
"""Every rule and what it demands."""

SECTIONS: Final = {
    "decoder": {"format", "peek", "decode", "split", "answer", "check", "examine"},
    "sources": {"settings", "serve", "example", "opens", "probe"},
    "sinks": {"settings", "connect", "example", "encoders", "probe"},
}
OTHER: Final = {"name", "title", "encoders", "overrides", "preview"}


@dataclass(frozen=True)
class Sample:
    """One file of `samples/`."""

    name: str
    raw: bytes


class Adapter:
    """An adapter as its package shows it. `package` is the import name."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.folder = Path(str(files(package)))
        self.manifest: dict[str, Any] = tomllib.loads((self.folder / "manifest.toml").read_text("utf-8"))

    @cached_property
    def quality(self) -> dict[str, tuple[str, str]]:
        """Rule -> (done or exempt, the reason)."""
        read = yaml.safe_load((self.folder / "quality.yaml").read_text("utf-8"))
        return {
            rule: (answer, "") if isinstance(answer, str) else (answer["status"], answer.get("comment", ""))
            for rule, answer in read["rules"].items()
        }

    @cached_property
    def samples(self) -> tuple[Sample, ...]:
        """The inputs: every file of `samples/` but those that hold what is expected of them (`*.golden.json`, and a `.json`
        beside an input of the same name)."""
        found = sorted(f for f in (self.folder / "samples").glob("*") if f.is_file())
        stems = {f.stem for f in found if f.suffix != ".json"}
        inputs = [
            f for f in found if not f.name.endswith(".golden.json") and not (f.suffix == ".json" and f.stem in stems)
        ]
        return tuple(Sample(f.name, f.read_bytes()) for f in inputs)

    def has(self, section: str) -> bool:
        return bool(self.manifest.get(section))

    def object(self, reference: str) -> Any:
        """What `module:attribute` leads to. Raises ImportError or AttributeError."""
        module, _, attribute = reference.partition(":")
        return getattr(import_module(module), attribute)

    def peek(self, raw: bytes) -> Any:
        return self.object(self.manifest["decoder"]["peek"])(raw)

    def decode(self, raw: bytes) -> list[Record]:
        decode = self.object(self.manifest["decoder"]["decode"])
        return list(decode(raw, CONTEXT))

    def decoded(self) -> Iterator[tuple[Sample, Record]]:
        for sample in self.samples:
            for record in self.decode(sample.raw):
                yield sample, record

    def views(self) -> Iterator[View]:
        """What an encoder may meet: every record of the samples, and one made here."""
        yield VIEW
        if self.has("decoder"):
            for sample, record in self.decoded():
                yield View(
                    message_id="20260131-00000042",
                    event=record.event,
                    enterprise_id="4YJ2-M8QK",
                    patient=record.patient,
                    resources=record.resources,
                    sources=record.sources,
                    raw=sample.raw,
                    obligations=(OBLIGATION,),
                )


CONTEXT: Final = FeedContext(feed="conformance", timezone="America/Chicago")
OBLIGATION: Final = "Redisclosure of this record is prohibited"
_PATIENT: Final = "b5c5f1f2-5f0c-5b7e-9a58-000000000001"
VIEW: Final = View(
    message_id="20260131-00000042",
    event="ORU^R01",
    enterprise_id="4YJ2-M8QK",
    patient=f"Patient/{_PATIENT}",
    resources=(
        {
            "resourceType": "Patient",
            "id": _PATIENT,
            "identifier": [{"system": "urn:oid:2.16.840.1.113883.3.9999.1", "value": "448812"}],
            "name": [{"family": "Okafor", "given": ["Grace"]}],
            "birthDate": "1979-04-12",
        },
        {
            "resourceType": "Observation",
            "id": "b5c5f1f2-5f0c-5b7e-9a58-000000000002",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "718-7", "display": "Hemoglobin"}]},
            "subject": {"reference": f"Patient/{_PATIENT}"},
            "valueQuantity": {"value": 13.2, "unit": "g/dL", "system": "http://unitsofmeasure.org", "code": "g/dL"},
        },
    ),
    sources=(),
    raw=b"",
    obligations=(OBLIGATION,),
)
