"""Label rules as data: stems and ranges of code systems, drug names, words of display texts, sources, specialties.

A RuleSet is built once from the YAML files of hie/labels/rules (and a site's own, which only add). Look-ups are
memoised by (system, code) and by text, because real traffic repeats itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, NamedTuple

from hie.codes.hierarchy import CVX, HCPCS, ICD9CM, ICD10, ICD10CM, LOINC, RXNORM, normal, readable, system_of
from hie.codes.systems import OID_TO_URI
from hie.errors import ConfigurationError
from hie.labels.vocabulary import Index, words
from hie.yamlfile import read

SHORT = {ICD10CM: "icd-10-cm", ICD10: "icd-10", ICD9CM: "icd-9-cm", LOINC: "loinc", RXNORM: "rxnorm", HCPCS: "hcpcs"}
_CLASSIFICATIONS = frozenset((ICD10CM, ICD10, ICD9CM))
"""Where the code is readable it says it all: the display is not searched."""
_KNOWN = frozenset(OID_TO_URI.values()) | {ICD10, RXNORM, HCPCS, LOINC, ICD10CM, ICD9CM}
_KNOWN_PREFIXES = (
    "http://terminology.hl7.org/",
    "http://hl7.org/fhir/",
    "https://www.usps.com",
    "urn:ietf:",
    "urn:iso:",
)


class Hit(NamedTuple):
    """One label that a code or text earns. `cause` has `{}` where the place of the text stands."""

    label: str
    cause: str
    confidence: float


class _Stem(NamedTuple):
    label: str
    confidence: float
    exceptions: frozenset[str]
    stem: str


class _List(NamedTuple):
    label: str
    also: str
    name: str
    confidence: float
    laboratory: bool
    """Only for laboratory names, where a drug's name means that it was looked for."""
    drugs: bool


class RuleSet:
    """All rules, ready to be asked. Not changed after it is built, but for its memory of answers."""

    def __init__(self, documents: Sequence[tuple[str, dict[str, Any]]]) -> None:
        self._stems: dict[str, dict[str, list[_Stem]]] = {}
        self._codes: dict[str, dict[str, list[str]]] = {}
        self._ids: dict[str, dict[str, list[tuple[str, float]]]] = {}
        self._lists: list[_List] = []
        self._index = Index()
        self._unless = Index()
        self.sources: dict[str, tuple[str, ...]] = {}
        self.specialties: list[tuple[str, str]] = []
        self._drug_systems: frozenset[str] = frozenset()
        for file, document in documents:
            try:
                self._add(document)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise ConfigurationError(
                    f"a label rule cannot be read ({type(error).__name__})", file=file, code="label-rules"
                ) from None
        self._by_code: dict[tuple[str, str, bool, bool, str], tuple[Hit, ...]] = {}
        self._by_system: dict[tuple[str, str], bool] = {}
        self._by_text: dict[tuple[str, bool, bool], tuple[tuple[str, str, str, float], ...]] = {}

    # -- building -----------------------------------------------------------------------------------------------------

    def _add(self, document: dict[str, Any]) -> None:
        systems = [system_of(s) for s in document.get("systems", [])]
        for rule in document.get("rules", []):
            confidence = float(rule.get("confidence", 1.0))
            if "under" in rule:
                self._add_stems(systems, rule, confidence)
            if "names" in rule:
                dropped = set(rule.get("except", []))
                self._drug_systems |= frozenset(systems)
                number = len(self._lists)
                name = f"drugs: {rule['label']}"
                # a drug's name is what the record is about, a word in a survey's name is not
                self._lists.append(_List(rule["label"], "", name, min(confidence, 0.95), False, True))
                self._index.add([n for n in rule["names"] if n not in dropped], number)
                self._unless.add(rule.get("unless", []), number)
                ids = self._ids.setdefault(RXNORM, {})
                for id in rule.get("ids", []):
                    ids.setdefault(id, []).append((rule["label"], confidence))
        for one in document.get("lists", []):
            number = len(self._lists)
            laboratory = "laboratory" in one.get("where", [])
            confidence = float(one.get("confidence", 0.9))
            self._lists.append(_List(one["label"], one.get("also", ""), one["name"], confidence, laboratory, False))
            self._index.add(one["terms"], number)
            self._unless.add(one.get("unless", []), number)
        for system, by_label in document.get("codes", {}).items():
            known = self._codes.setdefault(system_of(system), {})
            for label, codes in by_label.items():
                for code in codes:
                    known.setdefault(normal(system_of(system), code), []).append(label)
        for source, labels in document.get("sources", {}).items():
            self.sources[source] = tuple(labels)
        for label, stems in document.get("specialties", {}).items():
            self.specialties += [(stem, label) for stem in stems]

    def _add_stems(self, systems: Iterable[str], rule: dict[str, Any], confidence: float) -> None:
        for system in systems:
            dropped = frozenset(s for e in rule.get("except", []) for s in _stems(system, e))
            known = self._stems.setdefault(system, {})
            for written in rule["under"]:
                for stem in _stems(system, written):
                    known.setdefault(stem, []).append(_Stem(rule["label"], confidence, dropped, stem))

    # -- asking -------------------------------------------------------------------------------------------------------

    def coding(self, system: str, code: str, display: str, laboratory: bool, drug: bool) -> tuple[Hit, ...]:
        """Hits of one coding; `{}` in a cause stands for the path of the coding."""
        key = (system, code, laboratory, drug, display)
        found = self._by_code.get(key)
        if found is None:
            if len(self._by_code) > 100_000:
                self._by_code.clear()
            found = self._by_code[key] = self._coding(system_of(system), code, display, laboratory, drug)
        return found

    def _coding(self, system: str, code: str, display: str, laboratory: bool, drug: bool) -> tuple[Hit, ...]:
        plain = normal(system, code)
        hits = []
        short = SHORT.get(system, system)
        stems = self._stems.get(system, {})
        lengths = range(1, len(plain) + 1) if stems else range(0)
        # the first digits of ICD-9-CM: 42 is not 042
        for end in lengths:
            for rule in stems.get(plain[:end], ()):
                if not any(plain.startswith(e) for e in rule.exceptions):
                    hits.append(
                        Hit(rule.label, f"{short} {code} lies under {_written(system, rule.stem)}", rule.confidence)
                    )
        for label in self._codes.get(system, {}).get(plain, ()):
            hits.append(Hit(label, f"{short} {code} is in the list of {label}", 1.0))
        for label, confidence in self._ids.get(system, {}).get(plain, ()):
            hits.append(Hit(label, f"{short} {code} is an ingredient of {label}", confidence))
        if display and system != CVX and not (system in _CLASSIFICATIONS and readable(system, code)):
            laboratory = laboratory or system == LOINC
            drug = drug or (system in self._drug_systems and system == RXNORM) or system == HCPCS
            for label, _, name, confidence in self.text(display, laboratory, drug):
                hits.append(Hit(label, f'{{}}.display has a term of the list "{name}"', confidence))
        return tuple(hits)

    def text(self, text: str, laboratory: bool, drug: bool) -> tuple[tuple[str, str, str, float], ...]:
        """(label, "", list name, confidence) of every list with a term in a text."""
        if len(text) > 400:  # not seen twice, and too long to keep
            return self._text(text, laboratory, drug)
        key = (text, laboratory, drug)
        found = self._by_text.get(key)
        if found is None:
            if len(self._by_text) > 50_000:
                self._by_text.clear()
            found = self._by_text[key] = self._text(text, laboratory, drug)
        return found

    def named_in(self, text: str) -> set[tuple[str, str]]:
        """(label, list name) of what a long text names, drugs among it; read in parts, so that one exception phrase
        (`unless`) excuses only its surroundings."""
        step = 2_000
        return {
            (code, name)
            for start in range(0, len(text), step)
            for code, _, name, _ in self._text(text[start : start + step + 100], False, True)
        }

    def _text(self, text: str, laboratory: bool, drug: bool) -> tuple[tuple[str, str, str, float], ...]:
        spoken = words(text)
        hits = self._index.find(spoken)
        if not hits:
            return ()
        covered: dict[int, list[tuple[int, int]]] = {}
        for place, length, number in self._unless.find(spoken):
            covered.setdefault(number, []).append((place, place + length))
        found: dict[tuple[str, str], tuple[str, str, str, float]] = {}
        for place, length, number in hits:
            one = self._lists[number]
            if (one.laboratory and not laboratory) or (one.drugs and not drug):
                continue
            # a drug's exceptions speak of the whole product; of other names only the words themselves are meant
            excepted = covered.get(number, ())
            if excepted and (one.drugs or any(start < place + length and place < end for start, end in excepted)):
                continue
            for label in (one.label, one.also) if one.also else (one.label,):
                known = found.get((label, one.name))
                if known is None or known[3] < one.confidence:
                    found[(label, one.name)] = (label, "", one.name, one.confidence)
        return tuple(found.values())

    def known(self, system: str, code: str) -> bool:
        """Is this a code system we know, and can `code` be one of its codes?"""
        found = self._by_system.get((system, code))
        if found is None:
            if len(self._by_system) > 100_000:
                self._by_system.clear()
            found = self._by_system[(system, code)] = self._known(system, code)
        return found

    def _known(self, system: str, code: str) -> bool:
        uri = system_of(system)
        if uri in SHORT or uri in ("http://snomed.info/sct", "http://hl7.org/fhir/sid/cvx"):
            return readable(uri, code)
        return uri in _KNOWN or uri.startswith(_KNOWN_PREFIXES)


def _stems(system: str, written: str) -> list[str]:
    """One entry of a rule as normal stems: `F10-F19`, `305.2-305.9`, `H0005-H0016`, `O99.31`."""
    first, dash, last = written.partition("-")
    if not dash:
        return [normal(system, first)]
    a, b = normal(system, first), normal(system, last)
    match_a, match_b = re.match(r"([A-Z]*)(\d+)\Z", a), re.match(r"([A-Z]*)(\d+)\Z", b)
    if match_a is None or match_b is None or match_a[1] > match_b[1]:
        raise ValueError(written)
    width = len(match_a[2])
    found = []
    for letter in range(ord(match_a[1] or "\0"), ord(match_b[1] or "\0") + 1):
        prefix = "" if letter == 0 else chr(letter)
        low = int(match_a[2]) if prefix == match_a[1] else 0
        high = int(match_b[2]) if prefix == match_b[1] else 10**width - 1
        found += [f"{prefix}{number:0{width}d}" for number in range(low, high + 1)]
    return found


def _written(system: str, stem: str) -> str:
    """A stem as people write it."""
    place = 4 if system == ICD9CM and stem.startswith("E") else 3
    return f"{stem[:place]}.{stem[place:]}" if system in _CLASSIFICATIONS and len(stem) > place else stem


@lru_cache(maxsize=8)
def shipped(*extra: Path) -> RuleSet:
    """The rules of the package, and a site's own files after them. Raises ConfigurationError with file and line."""
    documents = []
    folder = files("hie.labels").joinpath("rules")
    for entry in sorted(folder.iterdir(), key=lambda e: e.name):
        if entry.name.endswith(".yaml"):
            with as_file(entry) as file:
                documents.append((entry.name, read(file).value))
    documents += [(str(file), read(file).value) for file in extra]
    return RuleSet(documents)
