"""One plain sentence for every decision: what a privacy officer accepts and a patient understands. No patient data."""

from __future__ import annotations

from hie.codes import security
from hie.consent.compiled import CompiledConsent, Rule
from hie.consent.condition import ItemTest

_PURPOSES = {
    "TREAT": "treatment",
    "ETREAT": "emergency treatment",
    "COC": "coordination of care",
    "BTG": "a break-the-glass request",
    "HPAYMT": "payment",
    "COVERAGE": "insurance coverage",
    "HOPERAT": "health-care operations",
    "HRESCH": "research",
    "CLINTRCH": "clinical-trial research",
    "HMARKT": "marketing",
    "PUBHLTH": "public health",
    "PATRQT": "the patient's own request",
    "HLEGAL": "a legal matter",
}
_CATEGORIES = {
    "ETH": "substance-use",
    "ETHUD": "alcohol-use",
    "OPIOIDUD": "opioid-use",
    "SUD": "substance-use",
    "PSY": "mental-health",
    "MH": "mental-health",
    "BH": "behavioural-health",
    "PSYTHPN": "psychotherapy",
    "HIV": "HIV",
    "SEX": "sexual and reproductive health",
    "STD": "sexually transmitted disease",
    "PREGNANT": "pregnancy",
    "SDV": "domestic violence",
    "GDIS": "genetic",
    "42CFRPart2": "substance-use programme",
}


def purpose(code: str) -> str:
    return _PURPOSES.get(code, f"the purpose {code}")


def categories(mask: int) -> str:
    """The sensitive categories in a mask in words, "" for none."""
    words = list(dict.fromkeys(_CATEGORIES[name] for name in security.names(mask) if name in _CATEGORIES))
    return " and ".join(words)


def consent_of(consent: CompiledConsent) -> str:
    return f"the patient's consent of {consent.date}" if consent.date else "an undated consent of the patient"


def permitted(consent: CompiledConsent, why: str) -> str:
    return f"Released because {consent_of(consent)} allows it for {purpose(why)}."


def denied(consent: CompiledConsent, rule: Rule, why: str, mask: int, level: int) -> str:
    whose = consent_of(consent)
    if rule.permit:
        kind = categories(mask) or ("restricted" if level > security.LEVELS["N"] else "")
        what = f"{kind} information" if kind else "this kind of information"
        return f"Held back because {whose} allows only other information to go out for {purpose(why)}, not {what}."
    test = rule.test
    if test is None:
        return f"Held back because {whose} does not allow sharing for {purpose(why)}."
    return f"Held back because {whose} asks not to share {_limits(test, mask)} for {purpose(why)}."


def _limits(test: ItemTest, mask: int) -> str:
    if test.labelled:
        words = categories(mask & test.reaches) or ("restricted" if test.lowest is not None else "such")
        return f"{words} information"
    if test.codes is not None or test.types is not None:
        return "information of this kind"
    if test.dated:
        return "information from that time"
    if test.authors is not None or test.custodians is not None or test.by:
        return "information from that author or organisation"
    return "this record"


def undecided(consent: CompiledConsent, rule: Rule) -> str:
    return (
        f"Held back because we cannot decide: {consent_of(consent)} ({rule.place}) "
        "has a part that cannot be understood, and an operator has been told."
    )
