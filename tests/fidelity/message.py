"""An HL7 v2 message cut into segments, fields, repetitions, components: the plain way, for the checker alone."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Segment:
    """One segment: `index` counts those of its name in the message, from 1."""

    name: str
    index: int
    fields: tuple[str, ...]

    def field(self, number: int) -> str:
        return self.fields[number] if number < len(self.fields) else ""


@dataclass(frozen=True)
class Message:
    segments: tuple[Segment, ...]
    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str

    @property
    def kind(self) -> str:
        parts = self.segments[0].field(9).split(self.component)
        return "^".join(each for each in parts[:2])

    def unescape(self, text: str) -> str:
        """Escapes of chapter 2.7 resolved; those that only format become a line end or nothing."""
        if not self.escape or self.escape not in text:
            return text
        mark = re.escape(self.escape)
        names = {"F": self.field, "S": self.component, "R": self.repetition, "E": self.escape, "T": self.subcomponent}

        def one(match: re.Match[str]) -> str:
            inner = match.group(1)
            if inner in names:
                return names[inner]
            if inner[:1] == "X" and re.fullmatch(r"([0-9A-Fa-f]{2})+", inner[1:]):
                return bytes.fromhex(inner[1:]).decode("utf-8", "replace")
            return "\n" if inner.startswith((".br", ".sp", ".ce")) else "" if inner in ("H", "N") else match.group(0)

        return re.sub(f"{mark}([^{mark}\\s]{{1,60}}){mark}", one, text)


def read(file: Path) -> list[Message]:
    """The messages of a file, in its order."""
    raw = file.read_bytes().strip(b"\x0b\x1c\r\n\t ")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp1252", "replace")
    lines = [each.strip("\x0b\x1c") for each in re.split(r"\r\n|\r|\n", text)]
    groups: list[list[str]] = []
    for line in lines:
        if line.lstrip().startswith("MSH") and len(line.lstrip()) > 8 and not line.lstrip()[3].isalnum():
            groups.append([line.lstrip()])
        elif groups and line and not line.lstrip().startswith(("FHS", "BHS", "BTS", "FTS")):
            mark = groups[-1][0][3]
            if re.match(r"[A-Z][A-Z0-9]{2}(" + re.escape(mark) + "|$)", line.lstrip()):
                groups[-1].append(line.lstrip())
            else:
                groups[-1][-1] += "\n" + line
    return [_message(each) for each in groups]


def _message(lines: list[str]) -> Message:
    field = lines[0][3]
    marks = lines[0].split(field)[1]
    component, repetition, escape, sub = (marks + "^~\\&"[len(marks) :])[:4] if len(marks) < 4 else marks[:4]
    count: Counter[str] = Counter()
    segments = []
    for line in lines:
        fields = line.split(field)
        name = fields[0].strip()
        if name == "MSH":
            fields.insert(1, field)
        count[name] += 1
        segments.append(Segment(name, count[name], tuple(fields)))
    return Message(tuple(segments), field, component, repetition, escape, sub)
