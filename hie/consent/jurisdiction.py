"""A jurisdiction is a data file: what holds where nobody consented, special categories, minors, reports, break-glass.

Every decision names the version. The shipped policies lie in hie/consent/jurisdictions/; a site writes its own and
may say `extends: us-opt-out` to change only some keys.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

from hie.codes import security
from hie.codes.hierarchy import covering
from hie.codes.purposes import ancestors
from hie.consent.period import instant
from hie.errors import ConfigurationError
from hie.spelling import meant
from hie.yamlfile import Position, read

DEFAULT = "us-opt-out"


@dataclass(frozen=True, slots=True)
class Regime:
    """A special category of a jurisdiction: the default for items with one of its labels, in place of the region's."""

    name: str
    labels: int
    """Mask: any of these labels puts an item under the regime."""
    permitted: frozenset[str]
    """Purposes for which no consent is needed; empty: always needed."""
    patient_may_read: bool
    """False: not even the patient's own access reaches it (psychotherapy notes)."""
    emergency_lifts: bool
    reveal: bool
    """May a marker say that something of this category is missing?"""
    notice: str
    """Text that travels with what is released, "" for none."""
    code: str
    """Legal exception code of its denials."""
    text: str
    """Completes "held back because ..."."""
    only: bool = False
    """Only items that carry every one of `labels`."""


@dataclass(frozen=True, slots=True)
class Report:
    """One mandated report: condition x agency, with the minimum data set it permits."""

    name: str
    agencies: frozenset[str]
    """References or names the agency is known by."""
    conditions: frozenset[str]
    """Tokens (hie.codes.hierarchy) of which one must be in the record."""
    types: frozenset[str]
    code: str


@dataclass(frozen=True, slots=True)
class MinorRule:
    """From `age` a minor consents alone to care of these labels, so a parent does not read it."""

    labels: int
    age: int


@dataclass(frozen=True, slots=True)
class Emergency:
    allowed: bool
    hours: float
    roles: frozenset[str]
    lifts: frozenset[str]
    """Of `consent`, `regime`, `default`, `undecided`."""


@dataclass(frozen=True, slots=True)
class Policy:
    """One jurisdiction in one version."""

    name: str
    version: str
    """`name version digest`: the digest covers the whole file, so that an edited file never keeps its version."""
    timezone: str
    effective_from: float
    effective_until: float
    defaults: Mapping[str, bool]
    """Purpose -> permit. A purpose takes the entry of its nearest ancestor; none: denied."""
    everything: bool | None
    """Set where one answer holds for every purpose (`hie consent decide --default`)."""
    mode: str
    """`typed` or `flip`: how nested provisions are read."""
    ambiguous: str
    """`as-read` or `stricter`: what holds for a consent that the two modes answer differently."""
    require_verification: bool
    regimes: tuple[Regime, ...]
    unclassified: Mapping[str, bool]
    """Purpose or `*` -> permit items that carry a code we do not know."""
    unclassified_sources: Mapping[str, bool]
    """Source type -> the same, stronger than the purpose."""
    undecided_default: bool
    """Permit items whose labelling failed, where no consent applies. False unless a site says otherwise."""
    majority: int
    minors: tuple[MinorRule, ...]
    representatives: frozenset[str]
    """Relationship codes (v3-RoleCode) of a personal representative."""
    reports: tuple[Report, ...]
    roles: Mapping[str, frozenset[str]]
    """Role -> resource types it may have; minimum necessary, not applied to treatment."""
    emergency: Emergency
    reveal: bool
    """May a marker say that something is missing?"""
    registered: frozenset[str]
    """Code systems of the site that count as understood in consents."""
    deadlines: Mapping[str, int]
    """Name -> days."""

    def permits(self, purpose: str) -> bool:
        """The region's default for a purpose."""
        if self.everything is not None:
            return self.everything
        return next((self.defaults[one] for one in ancestors(purpose) if one in self.defaults), False)

    def permits_unclassified(self, purpose: str, source_types: frozenset[str]) -> bool:
        """May an item with an unknown code go out where the default would let it?"""
        for source in source_types:
            if source in self.unclassified_sources:
                return self.unclassified_sources[source]
        for one in ancestors(purpose):
            if one in self.unclassified:
                return self.unclassified[one]
        return self.unclassified.get("*", True)


def with_default(policy: Policy, permit: bool) -> Policy:
    """The policy with one default for every purpose."""
    from dataclasses import replace

    word = "permit" if permit else "deny"
    return replace(policy, everything=permit, version=f"{policy.version} default-{word}")


@lru_cache(maxsize=32)
def load(source: str | Path = DEFAULT) -> Policy:
    """A shipped policy by name, or a file. Raises ConfigurationError with file and line."""
    value, path, digest, positions = _tree(source, ())
    reader = _Reader(value, str(path), positions)
    try:
        return reader.policy(digest)
    except (ValueError, OverflowError):
        raise reader.fail("is no number") from None


def shipped() -> list[str]:
    """Names of the policies in the package."""
    folder = files("hie.consent").joinpath("jurisdictions")
    return sorted(f.name.removesuffix(".yaml") for f in folder.iterdir() if f.name.endswith(".yaml"))


Tree = tuple[dict[str, Any], Path, str, dict[str, Position]]
"""Values by key, the file, the digest over it and what it extends, and where each key stands."""


def _tree(source: str | Path, seen: tuple[str, ...]) -> Tree:
    name = str(source)
    path = Path(name)
    if name in seen:
        raise ConfigurationError("extends itself", file=name, code="policy-cycle")
    if path.suffix not in (".yaml", ".yml"):
        if name not in shipped():
            raise ConfigurationError(
                f"no policy {name!r}", code="unknown-policy", hint=f"{meant(name, shipped())}, or name a .yaml file"
            )
        with as_file(files("hie.consent").joinpath("jurisdictions", f"{name}.yaml")) as file:
            return _extended(file, (*seen, name))
    return _extended(path, (*seen, name))


def _extended(path: Path, seen: tuple[str, ...]) -> Tree:
    document = read(path)
    value = document.value
    if not isinstance(value, dict):
        raise ConfigurationError("must be a mapping", file=str(path), line=1, code="policy-shape")
    if not value:
        hint = f"extends: {DEFAULT}, or defaults for each purpose"
        raise ConfigurationError("says nothing, so nothing would go", file=str(path), code="policy-empty", hint=hint)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    positions = {key: document.position((key,)) for key in value}
    if (base := value.pop("extends", None)) is not None:
        beside = path.parent / f"{base}.yaml"
        under, _, base_digest, below = _tree(beside if beside.exists() and beside != path else base, seen)
        value, positions = {**under, **value}, {**below, **positions}
        digest = hashlib.sha256(f"{base_digest}{digest}".encode()).hexdigest()
    return value, path, digest, positions


_KEYS = frozenset(
    [
        "name",
        "version",
        "timezone",
        "effective",
        "defaults",
        "reading",
        "regimes",
        "unclassified",
        "minors",
        "representatives",
        "reports",
        "roles",
        "break-glass",
        "reveal-redaction",
        "require-verification",
        "registered-systems",
        "deadlines",
        "undecided",
    ]
)


class _Reader:
    """Types the tree of one policy file."""

    def __init__(self, value: dict[str, Any], file: str, positions: Mapping[str, Position]) -> None:
        self.value = value
        self.file = file
        self.positions = positions
        self.key = ""
        """What is being read: where an error stands."""

    def get(self, key: str, default: Any = None) -> Any:
        self.key = key
        return self.value.get(key, default)

    def under(self, key: str) -> dict[str, Any]:
        return self.mapping(self.get(key))

    def fail(self, text: str, hint: str = "") -> ConfigurationError:
        file, line = self.positions.get(self.key, (self.file, 0))
        said = f"{self.key}: {text}" if self.key else text
        return ConfigurationError(said, file=file, line=line, code="policy", hint=hint)

    def policy(self, digest: str) -> Policy:
        if unknown := sorted(self.value.keys() - _KEYS):
            self.key = unknown[0]
            raise self.fail("no such key", meant(self.key, sorted(_KEYS)))
        zone = str(self.get("timezone", "America/New_York"))
        return Policy(
            name=str(self.get("name", Path(self.file).stem)),
            version=f"{self.get('name', Path(self.file).stem)} {self.get('version', '0')} {digest[:8]}",
            timezone=zone,
            effective_from=self.date(self.under("effective").get("from"), zone, -float("inf")),
            effective_until=self.date(self.under("effective").get("until"), zone, float("inf")),
            defaults={k: self.permit(x) for k, x in self.under("defaults").items()},
            everything=None,
            mode=self.choice(self.under("reading").get("nested", "typed"), ("typed", "flip")),
            ambiguous=self.choice(self.under("reading").get("ambiguous", "as-read"), ("as-read", "stricter")),
            require_verification=self.yes(self.get("require-verification", "no")),
            regimes=tuple(self.regime(one) for one in self.list(self.get("regimes"))),
            unclassified={
                k: self.permit(x) for k, x in self.mapping(self.under("unclassified").get("purposes")).items()
            },
            unclassified_sources={
                k: self.permit(x) for k, x in self.mapping(self.under("unclassified").get("sources")).items()
            },
            undecided_default=self.permit(self.get("undecided", "deny")),
            majority=int(self.under("minors").get("majority", 18)),
            minors=tuple(
                MinorRule(self.mask(row.get("labels")), int(row.get("age", 0)))
                for row in self.list(self.under("minors").get("own-consent"))
            ),
            representatives=frozenset(map(str, self.list(self.get("representatives")))),
            reports=tuple(self.report(one) for one in self.list(self.get("reports"))),
            roles={role: frozenset(map(str, self.list(types))) for role, types in self.under("roles").items()},
            emergency=Emergency(
                allowed=self.yes(self.under("break-glass").get("allowed", "no")),
                hours=float(self.under("break-glass").get("hours", 4)),
                roles=frozenset(map(str, self.list(self.under("break-glass").get("roles")))),
                lifts=frozenset(map(str, self.list(self.under("break-glass").get("lifts")))),
            ),
            reveal=self.yes(self.get("reveal-redaction", "no")),
            registered=frozenset(map(str, self.list(self.get("registered-systems")))),
            deadlines={k: int(x) for k, x in self.under("deadlines").items()},
        )

    def regime(self, value: Any) -> Regime:
        row = self.mapping(value)
        return Regime(
            name=str(row.get("name", "regime")),
            labels=self.mask(row.get("labels")),
            permitted=frozenset(map(str, self.list(row.get("without-consent")))),
            patient_may_read=self.yes(row.get("patient-access", "yes")),
            emergency_lifts=self.yes(row.get("break-glass", "yes")),
            reveal=self.yes(row.get("reveal", "no")),
            notice=" ".join(str(row.get("notice", "") or "").split()),
            code=str(row.get("code", "")),
            text=str(row.get("because", "a special rule protects this kind of information")),
            only=self.yes(row.get("all-labels", "no")),
        )

    def report(self, value: Any) -> Report:
        row = self.mapping(value)
        tokens: set[str] = set()
        for system, codes in self.mapping(row.get("conditions")).items():
            for code in self.list(codes):
                found = covering(system, str(code))
                if found is None:
                    raise self.fail(f"report {row.get('name')!r}: {code!r} is not a code of {system}")
                tokens |= found
        return Report(
            name=str(row.get("name", "report")),
            agencies=frozenset(map(str, self.list(row.get("agencies")))),
            conditions=frozenset(tokens),
            types=frozenset(map(str, self.list(row.get("minimum")))),
            code=str(row.get("code", "45 CFR 164.512(b)(1)(i)")),
        )

    def mask(self, value: Any) -> int:
        mask = 0
        for code in self.list(value):
            found = security.reached(str(code))
            if not found:
                raise self.fail(f"{code!r} is no sensitivity label", "codes of v3-ActCode, such as ETH, PSY, HIV")
            mask |= found
        return mask

    def mapping(self, value: Any) -> dict[str, Any]:
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise self.fail("expected a mapping")
        return value

    def list(self, value: Any) -> list[Any]:
        if value is None:
            return []
        return value if isinstance(value, list) else [value]

    def permit(self, value: Any) -> bool:
        return self.choice(value, ("permit", "deny")) == "permit"

    def yes(self, value: Any) -> bool:
        return self.choice(value, ("yes", "no")) == "yes"

    def choice(self, value: Any, words: tuple[str, ...]) -> str:
        if value not in words:
            raise self.fail(f"{value!r} is none of {', '.join(words)}")
        return str(value)

    def date(self, value: Any, zone: str, otherwise: float) -> float:
        if value is None:
            return otherwise
        found = instant(str(value), zone)
        if found is None:
            raise self.fail(f"{value!r} is no date")
        return found
