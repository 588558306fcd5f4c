"""A population of hard registrations: households, twins, generations, namesakes, name changes, moves, newborns, and clinic errors.

Hard cases are far above their share in life. Every registration carries the kinds it exercises, so that results can be told by kind.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from importlib.resources import files

STREETS = [
    "OAK",
    "MAPLE",
    "CEDAR",
    "PINE",
    "ELM",
    "WASHINGTON",
    "LAKE",
    "HILL",
    "WALNUT",
    "SPRING",
    "NORTH",
    "RIDGE",
    "CHURCH",
    "WILLOW",
    "MILL",
    "RIVER",
    "SUNSET",
    "JACKSON",
    "LINCOLN",
    "PARK",
    "FOREST",
    "HIGHLAND",
    "VALLEY",
    "CHERRY",
    "DOGWOOD",
    "HICKORY",
    "FRANKLIN",
    "MADISON",
    "JEFFERSON",
    "ADAMS",
]
TYPES = (("STREET", "ST"), ("AVENUE", "AVE"), ("ROAD", "RD"), ("DRIVE", "DR"), ("LANE", "LN"), ("COURT", "CT"))
TOWNS = [
    ("Riverton", "OR", "971"),
    ("Ashford", "OR", "972"),
    ("Clayville", "WA", "986"),
    ("Marlow", "OR", "973"),
    ("Saint Anne", "WA", "985"),
]
SHORT = {
    "WILLIAM": "BILL", "ROBERT": "BOB", "ELIZABETH": "LIZ", "MARGARET": "PEGGY", "RICHARD": "DICK", "KATHERINE": "KATE", "JAMES": "JIM",
    "MICHAEL": "MIKE", "PATRICIA": "PATTY", "JENNIFER": "JEN", "THOMAS": "TOM", "CHRISTOPHER": "CHRIS", "JOSEPH": "JOE", "DANIEL": "DAN",
    "DEBORAH": "DEBBIE", "SUSAN": "SUE", "FRANCISCO": "PACO", "GUADALUPE": "LUPE", "EDWARD": "TED", "CHARLES": "CHUCK", "JOSE": "PEPE",
}  # fmt: skip
TWIN_NAMES = [
    ("JAYDEN", "JORDAN"),
    ("TAYLOR", "TYLER"),
    ("HAILEY", "KAYLEE"),
    ("AIDEN", "CADEN"),
    ("MADISON", "MASON"),
    ("ELLA", "EMMA"),
    ("MARIA", "MARTA"),
    ("DANIEL", "DAVID"),
    ("ERIC", "ERIK"),
    ("LOGAN", "LUKE"),
    ("ANNA", "HANNAH"),
    ("JULIA", "JULIE"),
    ("CARLOS", "CARLA"),
    ("JADEN", "KAYDEN"),
    ("RYLEE", "KYLIE"),
    ("ADDISON", "MADISON"),
    ("BRAYDEN", "BRADEN"),
]


@dataclass
class Human:
    id: int
    given: str
    middle: str
    family: str
    suffix: str
    sex: str
    born: tuple[int, int, int]
    ssn: str
    house: dict[str, str]
    email: str
    mother: str
    kinds: set[str] = field(default_factory=set)


def _pools() -> dict[str, tuple[list[str], list[float]]]:
    pools: dict[str, tuple[list[str], list[float]]] = {"g": ([], []), "f": ([], [])}
    for line in files("mpi").joinpath("models/names.tsv").read_text().splitlines():
        if not line.startswith("#"):
            kind, name, n = line.split("\t")
            pools[kind][0].append(name)
            pools[kind][1].append(float(n))
    return pools


class Region:
    """`Region(seed).rows(people)` gives CSV rows (dicts) with the extra columns `person` and `kinds`, in order of arrival."""

    def __init__(self, seed: int, error_rate: float = 0.25) -> None:
        self.r = random.Random(seed)
        self.pools = _pools()
        self.errors = error_rate
        self.people: list[Human] = []

    def name(self, kind: str) -> str:
        if self.r.random() < 0.12:
            parts = [
                "ka",
                "lo",
                "mi",
                "ren",
                "ti",
                "sha",
                "vo",
                "ber",
                "qui",
                "zan",
                "dre",
                "pol",
                "ne",
                "gar",
                "wick",
                "ov",
                "ska",
                "esh",
            ]
            return "".join(self.r.sample(parts, self.r.choice((2, 3)))).upper()
        names, weights = self.pools[kind]
        return self.r.choices(names, weights)[0]

    def ssn(self) -> str:
        return f"{self.r.choice([*range(1, 666), *range(667, 900)]):03}{self.r.randint(1, 99):02}{self.r.randint(1, 9999):04}"

    def day(self, low: int, high: int) -> tuple[int, int, int]:
        return (self.r.randint(low, high), self.r.randint(1, 12), self.r.randint(1, 28))

    def home(self) -> dict[str, str]:
        town, state, prefix = self.r.choice(TOWNS)
        unit = f"APT {self.r.randint(1, 40)}" if self.r.random() < 0.3 else ""
        number = self.r.randint(1, 300) if unit else self.r.randint(1, 9900)
        return {
            "street": f"{number} {self.r.choice(STREETS)} {self.r.choice(TYPES)[self.r.random() < 0.5]}",
            "unit": unit,
            "city": town,
            "state": state,
            "zip": prefix + f"{self.r.randint(1, 30):02}",
            "phone": f"{self.r.choice(('503', '971', '360'))}{self.r.randint(200, 999)}{self.r.randint(0, 9999):04}",
        }

    def human(self, **given: object) -> Human:
        base = Human(
            len(self.people), self.name("g"), self.name("g") if self.r.random() < 0.7 else "", self.name("f"), "",
            self.r.choice("MF"), self.day(1935, 2022), self.ssn() if self.r.random() < 0.9 else "", self.home(), "", self.name("g"),
        )  # fmt: skip
        human = replace(base, kinds=set(), **given)  # type: ignore[arg-type]
        if not human.email and self.r.random() < 0.5:
            human.email = f"{human.given}.{human.family}{self.r.randint(1, 99)}@mail.example".lower()
        self.people.append(human)
        return human

    def household(self) -> None:
        r = self.r
        house, family = self.home(), self.name("f")
        shared = f"{family}{r.randint(1, 999)}@family.example".lower() if r.random() < 0.5 else ""
        father = self.human(house=house, family=family, sex="M", born=self.day(1945, 1985), email=shared)
        mother = self.human(house=house, family=family, sex="F", born=self.day(1945, 1985), email=shared)
        for _ in range(r.choice((0, 1, 1, 2, 3))):
            self.human(
                house=house,
                family=family,
                born=self.day(max(father.born[0], mother.born[0]) + 18, 2022),
                email=shared,
                mother=mother.given,
            )
        chance = r.random()
        if chance < 0.18:
            born = self.day(max(father.born[0], mother.born[0]) + 18, 2022)
            names = r.choice(TWIN_NAMES) if r.random() < 0.5 else (self.name("g"), self.name("g"))
            sex = r.choice("MF")
            number = self.ssn()
            nearby = number[:-1] + str((int(number[-1]) + 1) % 10)
            for position, name in enumerate(names):
                one = r.random() < 0.7
                twin = self.human(
                    house=house, family=family, born=born, email=shared, mother=mother.given, given=name,
                    sex=sex if one else r.choice("MF"), ssn=(number, nearby)[position] if r.random() < 0.8 else "",
                )  # fmt: skip
                twin.kinds.add("twins")
        elif chance < 0.30:
            father.kinds.add("generations")
            if r.random() < 0.6:
                father.suffix = r.choice(("SR", ""))
            son = self.human(
                house=house, family=family, given=father.given, sex="M", born=self.day(father.born[0] + 19, father.born[0] + 35),
                middle=father.middle if r.random() < 0.6 else "", suffix=r.choice(("JR", "JR", "")), email=shared, mother=mother.given,
            )  # fmt: skip
            son.kinds.add("generations")
        elif chance < 0.36:
            mother.kinds.add("generations")
            self.human(
                house=house,
                family=family,
                given=mother.given,
                sex="F",
                born=self.day(mother.born[0] + 18, mother.born[0] + 34),
                mother=mother.given,
                email=shared,
            ).kinds.add("generations")

    def namesakes(self) -> None:
        one = self.human()
        for _ in range(self.r.choice((1, 1, 2))):
            other = self.human(given=one.given, family=one.family, born=one.born, sex=one.sex)
            other.kinds.add("namesakes")
        one.kinds.add("namesakes")

    def two_surnames(self) -> None:
        one = self.human(family=f"{self.name('f')} {self.name('f')}")
        one.kinds.add("two surnames")

    def populate(self, people: int) -> None:
        while len(self.people) < people:
            chance = self.r.random()
            if chance < 0.62:
                self.household()
            elif chance < 0.70:
                self.namesakes()
            elif chance < 0.76:
                self.two_surnames()
            else:
                self.human()

    # what clinics do to people

    def typo(self, word: str) -> str:
        r = self.r
        if len(word) < 3:
            return word
        at = r.randrange(1, len(word))
        kind = r.randrange(4)
        if kind == 0 and at < len(word) - 1:
            return word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        if kind == 1:
            return word[:at] + word[at + 1 :]
        if kind == 2:
            return word[:at] + word[at] + word[at:]
        row = r.choice("ETAOINSHRDLU") if word[at].isalpha() else r.choice("0123456789")
        return word[:at] + row + word[at + 1 :]

    def sound(self, word: str) -> str:
        for a, b in (
            ("PH", "F"),
            ("CK", "K"),
            ("IE", "Y"),
            ("Y", "I"),
            ("EE", "EA"),
            ("C", "K"),
            ("S", "Z"),
            ("TT", "T"),
            ("EY", "Y"),
        ):
            if a in word[1:]:
                return word[0] + word[1:].replace(a, b, 1)
        return word + "E"

    def scan(self, word: str) -> str:
        for a, b in (("O", "0"), ("I", "1"), ("S", "5"), ("M", "RN"), ("B", "8"), ("L", "1"), ("D", "CL")):
            if a in word:
                return word.replace(a, b, 1)
        return word

    def date_error(self, born: tuple[int, int, int]) -> tuple[int, int, int]:
        year, month, day = born
        kind = self.r.randrange(5)
        if kind == 0 and day <= 12:
            return year, day, month
        if kind == 1:
            return year + self.r.choice((-1, 1)), month, day
        if kind == 2:
            return year, month, min(28, day % 10 * 10 + day // 10) or 1
        if kind == 3:
            return year, month, max(1, day + self.r.choice((-1, 1, 10)) if day < 18 else day - 1)
        return int(str(year)[:3] + str((year + self.r.randint(1, 9)) % 10)), month, day

    def register(self, human: Human, at: int, moved: dict[str, str] | None, married: str) -> dict[str, str]:
        r, chance = self.r, self.r.random
        kinds = set(human.kinds)
        house = human.house
        if moved and chance() < 0.6:
            house = moved
            kinds.add("moved")
        family = human.family
        if married and chance() < 0.6:
            family = r.choice((married, married, f"{family}-{married}"))
            kinds.add("name change")
        given, middle, born, ssn = human.given, human.middle, human.born, human.ssn
        if "two surnames" in kinds and chance() < 0.5:
            family = r.choice((*family.split(), family.replace(" ", "-")))
        if given in SHORT and chance() < 0.35:
            given = SHORT[given]
            kinds.add("nickname")
        row: dict[str, str] = {}
        if middle and human.id % 25 == 0 and chance() < 0.5:
            given, middle = middle, ""
            kinds.add("by middle name")
        if chance() < 0.45 and middle:
            middle = middle[0]
        if chance() < 0.3:
            middle = ""
        if chance() < self.errors:
            kinds.add("errors")
            for _ in range(r.choice((1, 1, 2))):
                which = r.randrange(9)
                change = r.choice((self.typo, self.typo, self.sound, self.scan))
                if which in (0, 1):
                    given = change(given)
                elif which in (2, 3):
                    family = change(family)
                elif which in (4, 5):
                    born = self.date_error(born)
                elif which == 6 and ssn:
                    ssn = self.typo(ssn)[:9].ljust(9, "7")
                elif which == 7:
                    given, family = family, given
                else:
                    house = {
                        **house,
                        "street": change(house["street"]),
                        "phone": self.typo(house["phone"])[:10].ljust(10, "4"),
                    }
        dob = f"{born[0]:04}-{born[1]:02}-{born[2]:02}"
        if ssn and chance() < 0.45:
            ssn = ""
        if chance() < 0.03:
            kinds.add("junk")
            ssn, phone = r.choice(("999999999", "123456789", "000000000")), "5555555555"
            house = {**house, "street": "HOMELESS", "unit": "", "phone": phone}
        if chance() < 0.02:
            kinds.add("junk")
            dob = r.choice(("1900-01-01", f"{born[0]}-01-01", f"{born[0]}"))
        if at == 0 and human.born[0] >= 2021 and chance() < 0.5:
            kinds.add("newborn")
            given, middle, ssn = r.choice(("BABY BOY", "BABYGIRL", f"BB {human.mother}", "NEWBORN")), "", ""
        phone = house["phone"] if chance() < 0.8 else ""
        row = {
            "clinic": f"c{r.randint(1, 6)}", "local_id": f"{human.id}-{at}", "given": given, "middle": middle, "family": family,
            "suffix": human.suffix if chance() < 0.8 else "", "sex": human.sex if chance() > 0.01 else "U", "dob": dob, "ssn": ssn,
            "street": house["street"], "unit": house["unit"] if chance() < 0.8 else "", "city": house["city"], "state": house["state"],
            "zip": house["zip"], "phone": phone, "email": human.email if chance() < 0.5 else "",
            "mother_given": human.mother if chance() < 0.3 or "newborn" in kinds else "", "person": f"p{human.id}", "kinds": " ".join(sorted(k.replace(" ", "-") for k in kinds)) or "plain",
        }  # fmt: skip
        if chance() < 0.12:
            for name in ("street", "unit", "city", "zip"):
                row[name] = ""
        if chance() < 0.3:
            row = {k: v.title() if k in ("given", "family", "street", "city") else v for k, v in row.items()}
        return row

    def rows(self, people: int) -> list[dict[str, str]]:
        self.populate(people)
        found = []
        for human in self.people:
            moved = self.home() if self.r.random() < 0.2 else None
            married = self.name("f") if human.sex == "F" and human.born[0] < 2002 and self.r.random() < 0.2 else ""
            for at in range(self.r.choice((1, 1, 2, 2, 2, 3, 3, 4))):
                found.append((self.r.random() + at, self.register(human, at, moved, married)))
        found.sort(key=lambda item: item[0])
        rows = []
        for number, (_, row) in enumerate(found):
            rows.append(
                {"rid": f"r{number}", "updated": f"2024-{1 + number * 11 // len(found):02}-15T08:00:00Z", **row}
            )
        return rows
