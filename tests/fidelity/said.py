"""Was a lost fact spoken of: is its place, one above or one below it, in `unmapped` or `warnings`?"""

from __future__ import annotations

import re
from typing import Any

_FIRST = re.compile(r"\[1\]")
_PREFIX = re.compile(r"^\w+:")


def _steps(where: str) -> tuple[str, ...]:
    """`OBX[7]-5[2].1` as steps of an address; an index of one says nothing more than none."""
    if where.startswith("/"):
        return tuple(_PREFIX.sub("", _FIRST.sub("", each)) for each in where.strip("/").split("/"))
    match = re.fullmatch(r"([A-Z0-9]{3})(?:\[(\d+)\])?(?:-(\d+)(?:\[(\d+)\])?((?:\.\d+)*))?", where)
    if not match:
        return (where,)
    name, index, field, repetition, rest = match.groups()
    steps = [f"{name}[{index or 1}]"]
    if field:
        components = [each for each in rest.split(".") if each]
        steps += [field, *([repetition or "1"] if repetition or components else []), *components]
    return tuple(steps)


class Spoken:
    def __init__(self, line: dict[str, Any]) -> None:
        places = [each["where"] for each in line["unmapped"]] + [each["where"] for each in line["warnings"]]
        self.places = {_steps(each) for each in places if each}
        self.above = {each[:n] for each in self.places for n in range(1, len(each) + 1)}

    def of(self, where: str) -> bool:
        steps = _steps(where)
        if steps in self.above:
            return True
        return any(steps[:n] in self.places for n in range(1, len(steps)))
