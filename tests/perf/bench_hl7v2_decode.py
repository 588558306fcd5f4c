"""What decoding costs: bytes to validated resources with sources and unmapped, beside python-hl7's parse of the same bytes.

    python tests/perf/bench_hl7v2_decode.py [--json]

Goals: ORU with 20 OBX at most 1.0 ms of CPU, ADT at most 0.6 ms. Best of several repetitions, in microseconds.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable

import hl7

from adapters.hl7v2.decode import decode
from adapters.hl7v2.reader import read
from hie.fhir import digits
from hie.fhir.validate import valid
from hie.model import FeedContext

_TESTS = (
    ("2345-7", "Glucose", "mg/dL"), ("3094-0", "Urea nitrogen", "mg/dL"), ("2160-0", "Creatinine", "mg/dL"),
    ("2951-2", "Sodium", "mmol/L"), ("2823-3", "Potassium", "mmol/L"),
)  # fmt: skip
PID = (
    "PID|1||448812^^^NORTH&2.16.840.1.113883.19.5.1&ISO^MR||Okafor^Grace^I||19790412|F|||12 Mill Rd^^Easton^PA^18042"
    "||^PRN^PH^^1^610^5550134"
)


def oru(count: int = 20, rich: bool = False) -> bytes:
    """A laboratory report; `rich` adds a second code, time, laboratory and its address to every result."""
    lines = [
        r"MSH|^~\&|LAB|NORTH LAB^39D0000001^CLIA|HIE|REGION|20240305101530-0500||ORU^R01^ORU_R01|L17|P|2.5.1",
        PID,
        "PV1|1|O|||||1234567893^Haddad^Leila^^^^MD^^NPI||||||||||||V5566",
        "ORC|RE|P100^EHR|F200^LAB|||||||||1234567893^Haddad^Leila^^^^MD^^NPI",
        "OBR|1|P100^EHR|F200^LAB|24323-8^Metabolic panel^LN|||20240305081500-0500|||||||||1234567893^Haddad^Leila"
        "||||||20240305101500-0500||CH|F",
    ]
    for at in range(count):
        code, name, unit = _TESTS[at % 5]
        more = f"^L{at}^{name}^L|{at // 5 + 1}" if rich else f"|{at // 5 + 1}"
        tail = "|||20240305081500-0500"
        if rich:
            tail += "|||||20240305093000-0500||||North Lab^L^^^^CLIA^XX^^^39D0000001|500 Lab Way^^Easton^PA^18042"
        value, flag = (101 + at, "H") if at % 3 else (70 + at, "N")
        lines.append(f"OBX|{at + 1}|NM|{code}^{name}^LN{more}|{value}.{at}|{unit}|70-99|{flag}|||F{tail}")
    return ("\r".join(lines) + "\r").encode()


def adt() -> bytes:
    lines = [
        r"MSH|^~\&|REG|NORTH CLINIC|HIE|REGION|20240305101530-0500||ADT^A01^ADT_A01|N17|P|2.5.1",
        "EVN|A01|20240305101500-0500",
        PID + "|||M|CAT|ACC881^^^NORTH",
        "PD1||||1234567893^Haddad^Leila^^^^MD^^NPI",
        "NK1|1|Okafor^Daniel|SPO^Spouse^HL70063|12 Mill Rd^^Easton^PA^18042|^PRN^PH^^1^610^5550135",
        "PV1|1|I|4W^412^B^NORTH|E|||1234567893^Haddad^Leila|777^Moss^Ira||MED||||7|||890^Lund^Eva||V5566^^^NORTH^VN"
        + "|" * 25 + "20240305094500-0500",
        "AL1|1|DA|70618^Penicillin^RXNORM|SV|Hives",
        "DG1|1||R07.9^Chest pain^I10C||20240305|A",
        "IN1|1|PPO1|7001|Keystone Mutual||||G77||||20240101|||||SEL" + "|" * 19 + "POL9981",
    ]  # fmt: skip
    return ("\r".join(lines) + "\r").encode()


def best(call: Callable[[], object], times: int = 30, rounds: int = 12) -> float:
    """Microseconds of CPU of one call, best of `rounds`."""
    found = float("inf")
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(times):
            call()
        found = min(found, (time.process_time() - begin) / times)
    return round(found * 1e6, 1)


def measure() -> dict[str, dict[str, float]]:
    context = FeedContext(timezone="America/New_York")
    results = {}
    gc.set_threshold(50_000, 20, 100)  # as the processes that decode have it
    for name, raw in (("ADT^A01", adt()), ("ORU^R01, 20 OBX", oru()), ("ORU^R01, 20 rich OBX", oru(rich=True))):
        record = next(iter(decode(raw, context)))
        text = raw.decode()
        gc.collect()
        gc.freeze()
        results[name] = {
            "bytes": len(raw),
            "resources": len(record.resources),
            "read": best(lambda raw=raw: list(read(raw))),  # type: ignore[misc]
            "decode": best(lambda raw=raw: list(decode(raw, context))),  # type: ignore[misc]
            "of it validation": best(lambda record=record: valid(record.resources)),  # type: ignore[misc]
            "orjson": best(lambda record=record: digits.dumps(record.resources)),  # type: ignore[misc]
            "python-hl7 parse": best(lambda text=text: hl7.parse(text), times=5),  # type: ignore[misc]
        }
    return results


if __name__ == "__main__":
    found = measure()
    if "--json" in sys.argv:
        print(json.dumps(found))
    else:
        columns = list(next(iter(found.values())))
        print(f"{'':24}" + "".join(f"{c:>18}" for c in columns))
        for row, values in found.items():
            print(f"{row:24}" + "".join(f"{values[c]:>18}" for c in columns))
