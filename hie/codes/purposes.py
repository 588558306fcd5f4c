"""Purposes of use (HL7 v3-ActReason, PurposeOfUse) and which one covers which."""

from __future__ import annotations

_TREE: dict[str, str] = {
    "PurposeOfUse": "HMARKT HOPERAT HPAYMT HRESCH PATRQT PUBHLTH TREAT",
    "HOPERAT": "CAREMGT DONAT FRAUD GOV HACCRED HCOMPL HDECD HDIRECT HDM HLEGAL HOUTCOMS HPRGRP HQUALIMP HSYSADMIN "
    "LABELING METAMGT MEMADMIN MILCDM PATADMIN PATSFTY PERFMSR RECORDMGT SYSDEV TRAIN",
    "SYSDEV": "HTEST",
    "HPAYMT": "CLMATTCH COVAUTH COVERAGE REMITADV",
    "COVERAGE": "ELIGDTRM ELIGVER ENROLLM MILDCRG",
    "HRESCH": "BIORCH CLINTRCH DSRCH POARCH TRANSRCH",
    "CLINTRCH": "CLINTRCHNPC CLINTRCHPC PRECLINTRCH",
    "PATRQT": "FAMRQT PWATRNY SUPNWK",
    "PUBHLTH": "DISASTER THREAT",
    "TREAT": "CLINTRL COC ETREAT POPHLTH",
}
# BTG is kept out of the tree on purpose: it counts as a kind of TREAT only in a consent that names it

PARENTS: dict[str, str] = {child: parent for parent, children in _TREE.items() for child in children.split()}
BREAK_GLASS = "BTG"
KNOWN: frozenset[str] = frozenset(PARENTS) | {"PurposeOfUse", BREAK_GLASS}


def _descendants(code: str) -> set[str]:
    found = {code}
    for child, parent in PARENTS.items():
        if parent == code:
            found |= _descendants(child)
    return found


_COVERED = {code: frozenset(_descendants(code)) for code in KNOWN}


def covered(code: str) -> frozenset[str]:
    """The code and its descendants; a local code covers itself."""
    return _COVERED.get(code) or frozenset((code,))


def ancestors(code: str) -> tuple[str, ...]:
    """The code and what covers it, nearest first."""
    line = [code]
    while (parent := PARENTS.get(line[-1])) is not None:
        line.append(parent)
    if code == BREAK_GLASS:
        line.append("PurposeOfUse")
    return tuple(line)
