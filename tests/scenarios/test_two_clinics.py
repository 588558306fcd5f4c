"""One person, two clinics, one opt-out; a crash in the middle; and the audit chain that tells it all unbroken."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterator

import pytest

from hie.simulation import messages
from hie.simulation.people import someone
from tests import databases
from tests.faults import ledger
from tests.invariants.bench import opt_out
from tests.node import Site, site

PERSON = someone(random.Random(2026)).named(ssn="923-45-6789")


@pytest.fixture(scope="module", params=databases.BOTH)
def region(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (
        databases.database(request.param) as made,
        site(tmp_path_factory.mktemp("region"), database=made) as running,
    ):
        yield running


def visit(clinic: str, mrn: str, control_id: str, event: str = "A04") -> bytes:
    return messages.admission(PERSON, mrn, clinic, f"{clinic}EHR", clinic, event, control_id, f"V{mrn}")


@pytest.mark.invariant(3, 4, 9)
def test_an_opt_out_at_one_clinic_holds_for_the_person_at_the_other(region: Site) -> None:
    region.send(visit("NORTH", "N1", "SC-N-1"))
    region.send(visit("RIVER", "R1", "SC-R-1"), region.river)
    region.settled()
    assert len(region.rows("SELECT DISTINCT eid FROM mpi_record")) == 1, "recognised across clinics"
    assert {row["state"] for row in region.deliveries()} == {"delivered"}
    given = region.consent(opt_out("N1"))
    region.send(visit("RIVER", "R1", "SC-R-2", "A08"), region.river)
    region.settled()
    held = region.deliveries("SC-R-2")
    assert {row["state"] for row in held} == {"denied"}
    assert all("consent" in row["text"].lower() for row in held), "the reason is a sentence about the consent"
    for name in ("engine", "pool-0", "intake"):
        region.kill(name)
    region.until(lambda: region.asked("ping") is not None, "the engine answers again")
    region.consent({k: v for k, v in given.items() if k != "begun"} | {"status": "inactive"})
    region.send(visit("RIVER", "R1", "SC-R-3", "A08"), region.river)
    region.settled()
    assert {row["state"] for row in region.deliveries("SC-R-3")} == {"delivered"}
    assert {row["state"] for row in region.deliveries("SC-R-2")} == {"denied"}, "what was denied stays denied"
    assert ledger.outcomes(region) == []


@pytest.mark.invariant(2)
def test_the_audit_chain_is_whole_after_a_crash_and_a_stop(region: Site) -> None:
    region.kill("engine")
    region.until(lambda: region.asked("ping") is not None, "the engine answers again")
    region.settled()
    assert region.stop() == 0
    done = subprocess.run(
        [sys.executable, "-m", "hie", "audit", "verify", "--config", str(region.config)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
