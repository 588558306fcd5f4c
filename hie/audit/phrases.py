"""The words of an accounting of disclosures, in the languages patients read. A language is one entry of `LANGUAGES`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from hie.codes.purposes import ancestors


def kind_of(event: str, format: str) -> str:
    """What a message is to a patient: a key of `Language.things`."""
    if format in ("ccda", "fax"):
        return format
    trigger = event.partition("^")[2][:3]
    if event.startswith("ADT"):
        return "stay" if trigger in ("A01", "A02", "A03", "A06", "A07", "A11", "A12", "A13") else "registration"
    return {"ORU": "results", "VXU": "vaccinations", "ORM": "orders", "MDM": "document"}.get(event[:3], "record")


@dataclass(frozen=True, slots=True)
class Language:
    """Templates take `when`, `thing`, `source` (with its preposition or empty), `who`, `times`, `purpose`."""

    things: Mapping[str, str]
    purposes: Mapping[str, str]
    other_purpose: str
    push: str
    push_maybe: str
    pull: str
    pull_maybe: str
    on: Callable[[date], str]
    between: Callable[[date, date], str]
    times: str
    source: str
    held: Callable[[int], str]
    reasons: bool
    """Decisions explain themselves in English only."""
    nobody: str

    def purpose(self, code: str) -> str:
        return next((self.purposes[c] for c in ancestors(code) if c in self.purposes), self.other_purpose.format(code))


_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_MESES = [
    "enero",
    "febrero",
    "marzo",
    "abril",
    "mayo",
    "junio",
    "julio",
    "agosto",
    "septiembre",
    "octubre",
    "noviembre",
    "diciembre",
]


def _english(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def _spanish(day: date) -> str:
    return f"{day.day} de {_MESES[day.month - 1]} de {day.year}"


ENGLISH = Language(
    things={
        "stay": "hospital stay notice",
        "registration": "registration details",
        "results": "test results",
        "vaccinations": "vaccination record",
        "orders": "orders",
        "document": "document",
        "ccda": "visit summary",
        "fax": "faxed document",
        "record": "health record",
    },
    purposes={
        "TREAT": "for treatment",
        "HPAYMT": "for payment",
        "HOPERAT": "for running health care services",
        "PUBHLTH": "for public health",
        "HRESCH": "for research",
        "PATRQT": "at your request",
        "BTG": "in an emergency",
        "HMARKT": "for marketing",
    },
    other_purpose="for the purpose {}",
    push="{when} your {thing}{source} went{times} to {who} {purpose}.",
    push_maybe="{when} your {thing}{source} may have been received{times} by {who} {purpose}: "
    "it was sent, and no answer came back.",
    pull="{when} your {thing} was looked up{times} by {who} {purpose}.",
    pull_maybe="{when} your {thing} may have been seen{times} by {who} {purpose}: whether the answer arrived is unknown.",
    on=lambda day: f"On {_english(day)}",
    between=lambda first, last: f"Between {_english(first)} and {_english(last)}",
    times=" {} times",
    source=" from {}",
    held=lambda n: "One part was held back" if n == 1 else f"{n} parts were held back",
    reasons=True,
    nobody="Nobody received your records in this period.",
)

SPANISH = Language(
    things={
        "stay": "su aviso de estancia hospitalaria",
        "registration": "sus datos de registro",
        "results": "sus resultados de pruebas",
        "vaccinations": "su historial de vacunas",
        "orders": "sus órdenes médicas",
        "document": "su documento",
        "ccda": "su resumen de consulta",
        "fax": "su documento enviado por fax",
        "record": "su historia clínica",
    },
    purposes={
        "TREAT": "para su tratamiento",
        "HPAYMT": "para el pago de la atención",
        "HOPERAT": "para la gestión de los servicios de salud",
        "PUBHLTH": "por motivos de salud pública",
        "HRESCH": "para investigación",
        "PATRQT": "a petición suya",
        "BTG": "por una emergencia",
        "HMARKT": "con fines comerciales",
    },
    other_purpose="con el fin {}",
    push="{when} se envió{times} a {who} {thing}{source}, {purpose}.",
    push_maybe="{when} es posible que {who} haya recibido{times} {thing}{source}, {purpose}: se envió y no hubo respuesta.",
    pull="{when} {who} consultó{times} {thing}, {purpose}.",
    pull_maybe="{when} es posible que {who} haya visto{times} {thing}, {purpose}: no se sabe si la respuesta llegó.",
    on=lambda day: f"El {_spanish(day)}",
    between=lambda first, last: f"Entre el {_spanish(first)} y el {_spanish(last)}",
    times=" {} veces",
    source=", de {}",
    held=lambda n: "Se retuvo una parte" if n == 1 else f"Se retuvieron {n} partes",
    reasons=False,
    nobody="Nadie recibió sus datos en este período.",
)

LANGUAGES: dict[str, Language] = {"en": ENGLISH, "es": SPANISH}
