"""A message against the abstract message syntax of its event: what is missing, repeated, in the wrong place, or foreign.

One fault is one finding: after it the walk goes on from the next segment that the syntax can take.
Source: HL7 v2.8.2 section 2.12 (abstract message syntax).
"""

from __future__ import annotations

from collections.abc import Sequence

from adapters.hl7v2.conformance.standard import Node
from adapters.hl7v2.reader import Segment
from hie.conformance import Finding, Severity


def check(segments: Sequence[Segment], structure: Node, rule: str) -> list[Finding]:
    """Findings in the order of the message."""
    walk = _Walk(segments, rule, _names(structure))
    walk.children(structure, frozenset())
    walk.skip(frozenset())
    return walk.found


def _names(node: Node) -> frozenset[str]:
    return frozenset((node.name,)).union(*map(_names, node.children))


class _Walk:
    def __init__(self, segments: Sequence[Segment], rule: str, known: frozenset[str]) -> None:
        self.segments = segments
        self.rule = rule
        self.known = known
        self.at = 0
        self.found: list[Finding] = []

    @property
    def name(self) -> str:
        return self.segments[self.at].name if self.at < len(self.segments) else ""

    def children(self, group: Node, later: frozenset[str]) -> None:
        """One occurrence of a group, or the message. `later`: what may come behind it."""
        if group.choice:
            chosen = next((child for child in group.children if self.name in child.starts), None)
            if chosen is not None:
                self.node(chosen, later)
            return
        for at, child in enumerate(group.children):
            behind = later.union(*(each.starts for each in group.children[at + 1 :]))
            self.node(child, behind)

    def node(self, node: Node, later: frozenset[str]) -> None:
        starts = node.starts
        times = 0
        while True:
            self.skip(starts | later)
            if self.name not in starts:
                break
            times += 1
            if node.most is not None and times > node.most:
                if self.name in later:
                    break
                self.say(
                    "segment-repeats", f"{self.name} comes more often than {node.most} time{'s'[: node.most > 1]} here"
                )
            if node.children:
                self.children(node, later | starts)
            else:
                self.at += 1
        if node.required and not times:
            self.missing(node)

    def skip(self, acceptable: frozenset[str]) -> None:
        """Passes by what cannot come here."""
        while self.at < len(self.segments) and self.name not in acceptable:
            name = self.name
            if name.startswith("Z"):
                self.say("segment-local", "a site's own segment: only a profile says what is in it", Severity.NOTE)
            elif name in self.known:
                self.say("segment-misplaced", f"{name} belongs to this message, but not here")
            else:
                self.say("segment-foreign", f"{name} is not part of this message")
            self.at += 1

    def say(self, code: str, text: str, severity: Severity = Severity.WARNING) -> None:
        where = self.segments[self.at].where
        self.found.append(Finding(severity, code, where, text, self.rule))

    def missing(self, node: Node) -> None:
        needed = node
        while needed.children:
            needed = next((child for child in needed.children if child.required), needed.children[0])
        before = self.segments[self.at - 1].where if self.at else "MSH"
        text = f"{needed.name} is required after {before}"
        self.found.append(Finding(Severity.ERROR, "segment-missing", needed.name, text, self.rule))
