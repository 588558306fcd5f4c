"""Every value of every input resource is in the output or in `unmapped`: resources made from R4's own table of elements,
and mutations of them, sought in the output by code that knows nothing of the decoder."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.fhir.decode import decode
from hie.errors import Rejected
from hie.fhir import digits
from hie.fhir.primitives import PRIMITIVES
from hie.fhir.validate import issues, types, valid
from hie.model import FeedContext

CONTEXT = FeedContext(feed="app", timezone="America/Chicago")
KINDS = sorted(
    name
    for name, made in types().items()
    if "meta" in made.elements
    and name not in ("Bundle", "Parameters", "Subscription", "AuditEvent", "OperationOutcome")
)
SUBJECT = ("subject", "patient", "beneficiary", "for", "individual")
VALUES: dict[str, tuple[Any, ...]] = {
    "boolean": (True, False),
    "integer": (-999, 0, 41),
    "unsignedInt": (0, 7, 999),
    "positiveInt": (1, 8, 999),
    "decimal": (digits.Written("5.00"), 7.25, 3, digits.Written("0.10"), digits.Written("1e-7")),
    "date": ("1987", "2019-03", "2024-02-29"),
    "dateTime": ("2020", "2021-11-05", "2023-07-01T08:15:00-05:00", "2023-07-01T08:15:00.123Z"),
    "instant": ("2023-07-01T08:15:00-05:00", "2022-01-01T00:00:00Z"),
    "time": ("08:15:00", "23:59:59.5"),
    "base64Binary": ("aGVsbG8=", "AAEC"),
    "xhtml": ('<div xmlns="http://www.w3.org/1999/xhtml">words</div>',),
}
SKIPPED = ("resourceType", "id", "meta", "contained", "modifierExtension", "implicitRules")


def primitive(random: Random, kind: str, codes: frozenset[str] | None) -> Any:
    if codes:
        return random.choice(sorted(codes))
    number = random.randrange(100_000)
    if kind in ("uri", "url", "canonical", "oid", "uuid"):
        return f"https://example.org/{kind}/{number}"
    return random.choice(VALUES.get(kind, (f"{kind}-{number}",)))


def node(random: Random, kind: str, depth: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    chosen = 0
    needed = sum(types()[kind].choices)
    for name, element in types()[kind].elements.items():
        if name[0] == "_" or name in SKIPPED or element.kind == "Resource" or element.choice & chosen:
            continue
        required = name in types()[kind].required or element.choice & needed
        if not required and (
            random.random() > 0.5 or (not element.primitive and depth < 1) or (name == "extension" and depth < 3)
        ):
            continue
        if element.primitive:
            value = primitive(random, element.kind, element.codes)
        elif element.kind == "Reference":
            value = {"display": f"display-{random.randrange(100_000)}"}
        else:
            value = node(random, element.kind, depth - 1)
        if value == {} and required:
            value = {
                "extension": [{"url": "https://example.org/said", "valueString": f"said-{random.randrange(100_000)}"}]
            }
        if value != {}:
            made[name] = [value] if element.many else value
            chosen |= element.choice
    return made


def resource(random: Random, kind: str) -> dict[str, Any]:
    made: dict[str, Any] = {"resourceType": kind, **node(random, kind, 3)}
    for name in SUBJECT:
        element = types()[kind].elements.get(name)
        if element is not None and element.kind == "Reference":
            made[name] = [{"reference": "Patient/p"}] if element.many else {"reference": "Patient/p"}
    if random.random() > 0.5:
        made["id"] = f"id-{random.randrange(100_000)}"
    return made


def bundle(random: Random) -> dict[str, Any]:
    patient = {**resource(random, "Patient"), "id": "p"}
    others = [resource(random, random.choice(KINDS)) for _ in range(random.randrange(1, 4))]
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (patient, *others)]}


def values(item: Any) -> Iterator[str]:
    """Every value as its JSON text; of references only what they say beside the address, which is ours afterwards."""
    if isinstance(item, dict):
        for name, one in item.items():
            if name != "resourceType" and not (name == "reference" and isinstance(one, str)):
                yield from values(one)
    elif isinstance(item, list):
        for one in item:
            yield from values(one)
    elif item is not None:
        yield digits.dumps(item).decode()


def missing(body: Any, out: list[Any]) -> Counter[str]:
    return Counter(values(body)) - Counter(values([r for record in out for r in record.resources]))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32))
def test_every_value_is_in_the_output(seed: int) -> None:
    body = bundle(Random(seed))
    assert not issues([e["resource"] for e in body["entry"]], frozenset(["Patient/p"]))
    out = list(decode(digits.dumps(body), CONTEXT))
    lost = missing([e["resource"] for e in body["entry"]], out)
    told = sum(u.times for record in out for u in record.unmapped)
    assert sum(lost.values()) <= told, (lost, out[0].unmapped)
    for record in out:
        assert valid(record.resources)
    assert out == list(decode(digits.dumps(body), CONTEXT))


WRONG: tuple[Any, ...] = (
    *("", " ", None, "M", "yes", 7, 7.5, True, [], {}, ["a", "b"], {"text": "x"}, [{"text": "x"}], [None]),
    *("2020-13-40", "2020-05-06T07:08", "x" * 70, {"coding": "x"}, [["a"]], "Patient/p", {"reference": "Patient/q"}),
)


def damaged(random: Random) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(digits.dumps(bundle(random)))
    for _ in range(random.randrange(1, 5)):
        places: list[tuple[Any, Any]] = []
        waiting: list[Any] = [e["resource"] for e in body["entry"]]
        while waiting:
            item = waiting.pop()
            for key in item if isinstance(item, dict) else range(len(item)) if isinstance(item, list) else ():
                places.append((item, key))
                waiting.append(item[key])
        owner, key = random.choice(places)
        what = random.randrange(4)
        if what == 0:
            owner[key] = deepcopy(random.choice(WRONG))
        elif what == 1 and isinstance(owner, dict):
            del owner[key]
        elif what == 2 and isinstance(owner, dict):
            owner[f"{key}2"] = deepcopy(random.choice(WRONG))
        else:
            owner[key] = [owner[key], deepcopy(owner[key])]
    return body


@settings(max_examples=400, deadline=None)
@given(st.integers(0, 2**32))
def test_damage_costs_what_is_damaged_and_is_told(seed: int) -> None:
    body = damaged(Random(seed))
    try:
        out = list(decode(json.dumps(body).encode(), CONTEXT))
    except Rejected as refused:
        if not refused.code.startswith("fhir-"):
            raise
        return
    for record in out:
        assert record.resources
        assert valid(record.resources)
    given = Counter(v for v in values([e["resource"] for e in body["entry"]]) if v.strip('" '))
    kept = Counter(values([r for record in out for r in record.resources]))
    lost = _plain(given) - _plain(kept)
    told = sum(sum(u.times for u in record.unmapped) + len(record.warnings) for record in out)
    assert sum(lost.values()) <= told, (lost, out[0].warnings, out[0].unmapped)


def _plain(found: Counter[str]) -> Counter[str]:
    """Without what tells a number from its text: a value of the wrong type is kept as what was written."""
    made: Counter[str] = Counter()
    for value, times in found.items():
        made[value.strip('"').strip()] += times
    return made


def test_every_type_and_primitive_is_tried() -> None:
    assert len(KINDS) > 100
    assert set(VALUES) <= set(PRIMITIVES)
