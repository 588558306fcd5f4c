"""The figures in words: overall, by type, by segment or section, by kind of field, and the worst."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable

from tests.fidelity.fact import Fact, Verdict


def share(kept: int, lost: int) -> str:
    return f"{kept / (kept + lost):.4f}" if kept + lost else "-"


def report(title: str, verdicts: list[Verdict], rejected: Counter[str], repeated: bool | None, worst: int) -> str:
    """One format's figures as text."""
    kept, lost = sum(len(v.kept) for v in verdicts), sum(len(v.lost) for v in verdicts)
    resources = sum(v.resources for v in verdicts)
    populated, unmapped = sum(v.populated for v in verdicts), sum(v.unmapped for v in verdicts)
    unsaid, invented = sum(len(v.unsaid) for v in verdicts), sum(len(v.invented) for v in verdicts)
    lines = [
        f"== {title}",
        f"inputs decoded            {len(verdicts)}   refused {dict(rejected) or 0}",
        f"facts kept                {share(kept, lost)}   ({kept} of {kept + lost}; goal 0.97)",
        f"lost without a word       {unsaid}   (goal 0)",
        f"invented values           {invented}   (goal 0)",
        f"invalid resources         {sum(len(v.invalid) for v in verdicts)} of {resources}   (goal 0)",
        f"dangling references       {sum(len(v.dangling) for v in verdicts)}   (goal 0)",
        f"empty resources           {sum(v.empty for v in verdicts) / max(resources, 1):.4f}   (goal under 0.02)",
        f"facts per resource        {kept / max(resources, 1):.1f}",
        f"the same twice            {sum(len(v.twice) for v in verdicts)}   (no goal: places to look at, below)",
        f"referred to by nothing    {sum(len(v.orphans) for v in verdicts)}   (no goal)",
        f"met nowhere, unspoken     {sum(len(v.silent) for v in verdicts)}   (no goal: beyond the checklist, codes that become a word included)",
        f"unmapped of the populated {unmapped / max(populated, 1):.4f}   (goal under 0.03)",
        f"second run, same bytes    {'not tried' if repeated is None else 'yes' if repeated else 'NO'}",
    ]
    lines += _table("by type", verdicts, None)
    lines += _table("by part", verdicts, lambda fact: fact.part)
    lines += _table("by kind of field", verdicts, lambda fact: fact.kind)
    lines += _worst(verdicts, worst)
    return "\n".join(lines)


def _table(title: str, verdicts: list[Verdict], key: Callable[[Fact], str] | None) -> list[str]:
    kept: Counter[str] = Counter()
    lost: Counter[str] = Counter()
    for each in verdicts:
        kept.update(each.kind if key is None else key(fact) for fact in each.kept)
        lost.update(each.kind if key is None else key(fact) for fact in each.lost)
    names = sorted(kept | lost, key=lambda name: kept[name] / max(kept[name] + lost[name], 1))
    return [f"-- {title}"] + [
        f"{name:24} {share(kept[name], lost[name])}  lost {lost[name]:5} of {kept[name] + lost[name]}" for name in names
    ]


def place(where: str) -> str:
    """A place without its numbers: `OBX[7]-5[2].1` and `OBX-5.1` are one."""
    if not where.startswith("/"):
        return re.sub(r"\[\d+\]", "", where)
    steps = re.sub(r"\[\d+\]", "", where).split("/")
    return "/".join(steps[-4:])


def _worst(verdicts: list[Verdict], worst: int) -> list[str]:
    lines: list[str] = []
    for title, facts in (("lost most often", "lost"), ("lost without a word", "unsaid")):
        counted = Counter(place(fact.where) for each in verdicts for fact in getattr(each, facts))
        lines += [f"-- {title}"] + [
            f"{count:6} {where}  e.g. {_example(verdicts, facts, where)}" for where, count in counted.most_common(worst)
        ]
    for title, name in (
        ("invented", "invented"), ("invalid", "invalid"), ("dangling", "dangling"), ("the same twice", "twice"), ("referred to by nothing", "orphans"),
        ("met nowhere, unspoken", "silent"),
    ):  # fmt: skip
        found = Counter(
            place(str(item[0] if isinstance(item, tuple) else item))
            for each in verdicts
            for item in getattr(each, name)
        )
        if found:
            lines += [f"-- {title}"] + [
                f"{count:6} {what}  e.g. {_file(verdicts, name, what)}" for what, count in found.most_common(worst)
            ]
    poor = sorted((v for v in verdicts if v.lost), key=lambda v: len(v.kept) / (len(v.kept) + len(v.lost)))[:worst]
    lines += ["-- worst inputs"] + [
        f"{share(len(v.kept), len(v.lost))} {v.file}#{v.index} {v.kind}, lost {len(v.lost)}" for v in poor
    ]
    return lines


def _example(verdicts: Iterable[Verdict], name: str, where: str) -> str:
    return next(
        f"{v.file[:50]} {fact.where[-60:]}" for v in verdicts for fact in getattr(v, name) if place(fact.where) == where
    )


def _file(verdicts: Iterable[Verdict], name: str, what: str) -> str:
    return next(
        f"{v.file[:60]} {item[1][:60] if isinstance(item, tuple) else ''}"
        for v in verdicts
        for item in getattr(v, name)
        if place(str(item[0] if isinstance(item, tuple) else item)) == what
    )
