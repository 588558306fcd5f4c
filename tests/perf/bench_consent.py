"""What labels, decisions and redaction cost: CPU microseconds, median of several rounds. One JSON object.

    python tests/perf/bench_consent.py [--rounds N]

Goals: a decision at 100 consents at most 5 us, the gate of 50 resources at most 500 us, a warm label at most 5 us a resource.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from hie.consent.compile import compile_consents
from hie.consent.decide import decide
from hie.consent.item import item
from hie.consent.jurisdiction import load
from hie.consent.leak import leaks
from hie.consent.redact import redact
from hie.labels.label import label
from tests.consent.builders import DIRECTORY, consent, provision, request

OUT = load("us-opt-out")


def record(size: int) -> list[dict[str, Any]]:
    """A patient, an encounter and observations and conditions of which every fifth is sensitive."""
    anna = {"reference": "Patient/anna"}
    found: list[dict[str, Any]] = [
        {"resourceType": "Patient", "id": "anna", "name": [{"family": "Test"}]},
        {
            "resourceType": "Encounter",
            "id": "visit",
            "subject": anna,
            "period": {"start": "2022-01-02", "end": "2022-01-03"},
        },
    ]
    for number in range(size - 2):
        sensitive = number % 5 == 0
        system, code, display = ("http://loinc.org", "2345-7", "Glucose [Mass/volume] in Serum or Plasma")
        if sensitive:
            system, code, display = ("http://loinc.org", "3397-7", "Cocaine [Presence] in Urine")
        found.append(
            {
                "resourceType": "Observation",
                "id": f"o{number}",
                "status": "final",
                "subject": anna,
                "encounter": {"reference": "Encounter/visit"},
                "performer": [{"reference": "Practitioner/lee"}],
                "effectiveDateTime": "2022-01-02T10:00:00-05:00",
                "code": {"coding": [{"system": system, "code": code, "display": display}], "text": display},
                "valueQuantity": {
                    "value": number,
                    "unit": "mg/dL",
                    "system": "http://unitsofmeasure.org",
                    "code": "mg/dL",
                },
            }
        )
    return found


def consents(number: int) -> list[tuple[str, str, dict[str, Any]]]:
    """Mixed shapes in several groups, as a long-lived patient of a region has them."""
    made = []
    shapes = [
        provision("permit", purpose=["TREAT", "HPAYMT", "HOPERAT"], label=["N"]),
        provision("permit", provision("deny", label=["PSY"]), purpose=["TREAT"]),
        provision("deny", label=["ETH", "HIV"], purpose=["HPAYMT"]),
        provision("permit", provision("permit", label=["PSY"], actor=["Practitioner/lee"]), label=["N"]),
        provision("permit", actor=["Organization/other"]),
    ]
    for n in range(number):
        organisation = [{"reference": f"Organization/{('system', 'clinic', 'other')[n % 3]}"}]
        body = consent(
            shapes[n % 5], organization=organisation, dateTime=f"20{n // 12 % 20 + 1:02d}-{n % 12 + 1:02d}-01"
        )
        made.append((f"c{n}", "1", body))
    return made


def cost(work: Callable[[], object], rounds: int, repeats: int) -> float:
    """Median CPU microseconds of one call."""
    work()
    found = []
    for _ in range(rounds):
        started = time.process_time()
        for _ in range(repeats):
            work()
        found.append((time.process_time() - started) / repeats * 1e6)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    resources = record(200)
    labels = label(resources)
    items = [item(r, labels[f"{r['resourceType']}/{r['id']}"], resources) for r in resources]
    one = resources[5]
    found: dict[str, float] = {
        "label, warm, us a resource": cost(lambda: label(resources), rounds, 5) / 200,
        "item, us a resource": cost(lambda: item(one, labels["Observation/o3"], resources), rounds, 500),
    }
    asks = [
        request(p, *w)
        for p in ("TREAT", "HPAYMT")
        for w in (("Practitioner/lee", "Organization/clinic"), ("Organization/other",), ("Practitioner/poe",))
    ]
    for number in (1, 10, 100):
        given = consents(number)
        compiled = compile_consents(given, OUT, DIRECTORY)
        found[f"compile {number} consents, us"] = cost(
            lambda given=given: compile_consents(given, OUT, DIRECTORY), rounds, 3
        )

        def warm(compiled: Any = compiled) -> None:
            for ask in asks:
                decide(OUT, compiled, (), ask, items)

        def cold(compiled: Any = compiled) -> None:
            for ask in asks:
                compiled.selections.clear()
                decide(OUT, compiled, (), ask, items)

        def single(compiled: Any = compiled) -> None:
            for one in items[2:8]:
                decide(OUT, compiled, (), asks[0], (one,))

        found[f"decision at {number} consents, us (200 resources, rules remembered)"] = cost(warm, rounds, 5) / 1200
        found[f"decision at {number} consents, us (200 resources, rules chosen anew)"] = cost(cold, rounds, 5) / 1200
        found[f"decision at {number} consents, us (one resource alone)"] = cost(single, rounds, 50) / 6
    compiled = compile_consents(consents(10), OUT, DIRECTORY)
    few, few_items = resources[:50], items[:50]
    denied = {r for r, v in decide(OUT, compiled, (), asks[0], few_items).verdicts.items() if v.verdict == "deny"}
    strings = redact(few, (), denied, (), OUT).withheld_strings
    payload = json.dumps(few).encode()
    found["gate: decide 50 resources, us"] = cost(lambda: decide(OUT, compiled, (), asks[0], few_items), rounds, 50)
    found[f"redact 50 resources, {len(denied)} denied, us"] = cost(lambda: redact(few, (), denied, (), OUT), rounds, 10)
    found[f"leak guard over {len(payload)} bytes, us"] = cost(lambda: leaks(payload[:8000], strings), rounds, 20)
    print(json.dumps({key: round(value, 2) for key, value in found.items()}, indent=1))


if __name__ == "__main__":
    main()
