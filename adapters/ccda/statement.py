"""What all clinical statements share: templates, nested statements, comments, identifiers, quoted narrative."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field

from adapters.ccda.draft import Draft, start
from adapters.ccda.identifiers import alias, identifiers, keyed
from adapters.ccda.narrative import quoted, text_of
from adapters.ccda.people import assigned, author
from adapters.ccda.times import put_time
from adapters.ccda.tree import Node
from hie.model import Resource

STATEMENTS = frozenset(
    {"observation", "act", "organizer", "procedure", "encounter", "substanceAdministration", "supply"}
    | {"observationMedia", "regionOfInterest"}
)
PLANNED = frozenset({"INT", "RQO", "PRP", "PRMS", "ARQ", "APT", "DEF"})
"""Moods of what has not happened."""
INTENT = {
    "INT": "plan",
    "RQO": "order",
    "PRP": "proposal",
    "PRMS": "plan",
    "ARQ": "proposal",
    "APT": "plan",
    "DEF": "option",
}

_C22 = "2.16.840.1.113883.10.20.22.4."


@dataclass(slots=True)
class Section:
    """The section in which a statement stands: what is in it is guessed from its `kind` where no template says so."""

    kind: str
    code: str
    node: Node
    title: str = ""
    entries: list[str] = field(default_factory=list)


def templates(node: Node) -> list[str]:
    """As written, in their order: where two templates of one entry disagree, the same one decides on every run."""
    return [kid.get("root") for kid in node.kids if kid.tag == "templateId"]


def is_a(node: Node, *numbers: str) -> bool:
    """Whether a templateId of the node is one of these; a number alone stands below C-CDA's entry arc."""
    for kid in node.kids:
        if kid.tag == "templateId":
            root = kid.get("root")
            if root in numbers or (root.startswith(_C22) and root[len(_C22) :] in numbers):
                return True
    return False


_UNSAYING = frozenset({"templateId", "statusCode", "id", "text"})
"""Parts of an entry that say nothing about the patient by themselves."""


def silent(node: Node) -> bool:
    """Whether a statement holds no value anywhere: its own code only says what it would have been about."""
    return not any(
        each.attrs.keys() & {"value", "code", "extension"} or (each.text and not each.text.isspace())
        for part in node.kids
        if part.tag not in _UNSAYING and part.tag != "code"
        for each in part.walk()
        if each.tag not in _UNSAYING
    )


def statement(link: Node) -> Node | None:
    """The statement inside an entry, entryRelationship or component."""
    for kid in link.kids:
        if kid.tag in STATEMENTS:
            return kid
    return None


def nested(node: Node, tags: Iterable[str] = ("entryRelationship", "component")) -> Iterator[tuple[Node, Node]]:
    """(link, statement) for every nested statement that no mapper has taken yet. Taking is setting `link.used`."""
    for link in node.kids:
        if link.tag in tags and not link.used and (inner := statement(link)) is not None:
            yield link, inner


MARKS = frozenset(
    {"ASSERTION", "SEV", "33999-4", "48767-8", "76662-6", "82606-5", "445518008", "225773000", "77975-1", "30973-2"}
    | {"74711-3"}
)
"""Codes that the templates of nested statements prescribe: they name the template, nothing about the patient."""


def fixed_code(node: Node, *codes: str) -> None:
    """Marks the code of a statement as carried where it is one of `codes`, which its template prescribes. Any other one
    says something of its own and stays to be listed."""
    code = node.kid("code")
    if code is not None and code.get("code") in codes:
        code.used = True


def settled(node: Node) -> None:
    """Marks a statusCode that says no more than its template prescribes (completed); any other one is listed."""
    found = node.kid("statusCode")
    if found is not None and found.get("code").strip().lower() == "completed":
        found.used = True


def take(node: Node, *numbers: str, codes: Iterable[str] = ()) -> list[Node]:
    """Nested statements of these templates or codes, taken."""
    found = []
    for link, inner in nested(node):
        code = inner.kid("code")
        if is_a(inner, *numbers) or (codes and code is not None and code.get("code") in codes):
            link.used = inner.used = True
            if code is not None and (code.get("code") in MARKS or code.get("code") in codes):
                code.used = True
            _linked(inner)
            found.append(inner)
    return found


def _linked(node: Node) -> None:
    """A link from a part of a statement to the narrative says nothing of its own: the section keeps its text."""
    for kid in node.kids:
        if kid.tag in ("text", "originalText") and (reference := kid.kid("reference")) is not None:
            reference.used = True
            kid.used = not (kid.text or reference.tail).strip()
        elif kid.tag in ("value", "code"):
            _linked(kid)


def begin(d: Draft, node: Node, kind: str, around: Node | None = None) -> tuple[Resource, list[Resource] | None]:
    """A resource with the narrative and identifiers of its statement (and of the act `around` it), and the identifiers
    to file it under."""
    node.used = True
    made = start(kind)
    if text := quoted(d, node):
        made["text"] = text
    ids = keyed(identifiers(d, node))
    if around is not None:
        ids += [each for each in keyed(identifiers(d, around)) if each not in ids]
    if ids:
        made["identifier"] = ids
    return made, ids or None


def finish(d: Draft, node: Node, made: Resource, ids: list[Resource] | None) -> str:
    """Files the resource of a statement, so that others may point to it by the statement's id."""
    reference = d.add(made, node, ids)
    d.authored.append((node, reference))
    d.made[id(node)] = (reference,)
    for key in alias(node):
        d.aliases.setdefault(key, reference)
    return reference


def status(node: Node, known: Container[str] | None = None) -> str:
    """The statusCode of a statement in lower case, marked as carried; with `known` (the codes that the caller has a word
    for) any other one stays to be listed."""
    found = node.kid("statusCode")
    if found is None:
        return ""
    code = found.get("code").strip().lower()
    found.used = known is None or code in known
    return code


def negated(node: Node) -> bool:
    return node.get("negationInd") == "true"


def notes(d: Draft, node: Node) -> list[Resource]:
    """Comment activities nested in a statement, as Annotations with author and time."""
    made = []
    for inner in take(node, "64", "2.16.840.1.113883.10.20.1.40", codes=("48767-8",)):
        settled(inner)
        text = text_of(d, inner.kid("text"))
        if text:
            made.append(annotation(d, inner, text))
    return made


def annotation(d: Draft, node: Node, text: str) -> Resource:
    """A text with who wrote it and when."""
    made: Resource = {}
    who, when = author(d, node)
    if who:
        made["authorReference"] = who
    put_time(d, made, "time", when)
    return {**made, "text": text}


def unread_code(node: Node) -> None:
    """Gives back a code that `take` took for the mark of its template, where it says something of its own."""
    code = node.kid("code")
    if code is not None and code.get("code"):
        for each in code.walk():
            each.used = False


def responsible(d: Draft, node: Node, section: Section) -> list[Resource]:
    """References to the participants who performed or answer for a statement; anybody else who takes part stands in the
    section's entries."""
    found: list[Resource] = []
    for kid in node.all("participant"):
        role = kid.kid("participantRole")
        if (
            kid.used
            or role is None
            or kid.get("typeCode") in ("VRF", "LA")  # a Provenance tells of them
            or role.kid("playingDevice") is not None
            or role.get("classCode") in ("MANU", "SDLOC")
        ):
            continue
        if (who := assigned(d, role)) is None:
            continue
        kid.used = True
        if kid.get("typeCode") in _PERFORMING:
            if who not in found:
                found.append(who)
        elif "reference" in who:
            section.entries.append(who["reference"])
    return found


_PERFORMING = frozenset(
    {"RESP", "PRF", "PPRF", "SPRF", "ATND", "CON", "AUT", "ENT", "DIS", "ADM", "REF", "TRANS", "DIST"}
)


def rest(d: Draft, node: Node, section: Section) -> list[str]:
    """What the nested statements that nobody took become: each a fact of its own."""
    found: list[str] = []
    for link, inner in list(nested(node)):
        link.used = True
        found += d.dispatch(d, inner, section)
    return list(dict.fromkeys(found))


def instant_or(d: Draft, made: Resource, key: str, node: Node | None) -> bool:
    """Sets an `instant` element where the time is precise enough."""
    probe: Resource = {}
    if node is None or not put_time(d, probe, "x", node):
        return False
    if len(probe["x"]) <= 10:
        node.used = False
        return False
    made[key] = probe["x"]
    if "_x" in probe:
        made[f"_{key}"] = probe["_x"]
    return True
