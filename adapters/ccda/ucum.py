"""Whether a unit is written in UCUM (case sensitive): a grammar check with the atoms that occur in health records.

`mg/dL`, `10*3/uL`, `mm[Hg]`, `{tablet}`, `mL/min/{1.73_m2}` are; `tablet(s)`, `MG`, `beats per minute` are not.
Source: The Unified Code for Units of Measure, version 2.1, sections 2 to 4.
"""

from __future__ import annotations

import re
from functools import lru_cache

_PREFIXES = ("da", "Y", "Z", "E", "P", "T", "G", "M", "k", "h", "d", "c", "m", "u", "n", "p", "f", "a", "z", "y")

_METRIC = frozenset(
    [
        "m",
        "s",
        "g",
        "rad",
        "K",
        "C",
        "cd",
        "mol",
        "sr",
        "Hz",
        "N",
        "Pa",
        "J",
        "W",
        "A",
        "V",
        "F",
        "Ohm",
        "S",
        "Wb",
        "Cel",
        "T",
        "H",
        "lm",
        "lx",
        "Bq",
        "Gy",
        "Sv",
        "l",
        "L",
        "ar",
        "t",
        "bar",
        "u",
        "eV",
        "pc",
        "[iU]",
        "[IU]",
        "[arb'U]",
        "U",
        "kat",
        "eq",
        "osm",
        "cal",
        "g%",
        "mho",
        "st",
        "[kn_i]",
        "B",
        "Np",
        "bit",
        "By",
        "Bd",
        "Gb",
        "R",
        "RAD",
        "REM",
        "Ci",
        "G",
        "Oe",
        "[m/s2/Hz^0.5]",
        "[hp_X]",
        "[hnsf'U]",
        "[GPL'U]",
        "[MPL'U]",
        "[APL'U]",
        "[beth'U]",
        "[anti'Xa'U]",
        "[todd'U]",
        "[dye'U]",
        "[smgy'U]",
        "[bdsk'U]",
        "[ka'U]",
        "[knk'U]",
        "[mclg'U]",
        "[tb'U]",
        "[CCID_50]",
        "[TCID_50]",
        "[EID_50]",
        "[PFU]",
        "[FFU]",
        "[CFU]",
        "[IR]",
        "[BAU]",
        "[AU]",
        "[Amb'a'1'U]",
        "[D'ag'U]",
        "[FEU]",
        "[ELU]",
        "[EU]",
        "m[H2O]",
        "m[Hg]",
        "mm[H2O]",
        "mm[Hg]",
        "cm[H2O]",
    ]
)
_FIXED = frozenset(
    [
        "10*",
        "10^",
        "[pi]",
        "%",
        "[ppth]",
        "[ppm]",
        "[ppb]",
        "[pptr]",
        "min",
        "h",
        "d",
        "a",
        "a_t",
        "a_j",
        "a_g",
        "wk",
        "mo",
        "mo_s",
        "mo_j",
        "mo_g",
        "deg",
        "'",
        "''",
        "gon",
        "[in_i]",
        "[ft_i]",
        "[yd_i]",
        "[mi_i]",
        "[nmi_i]",
        "[in_us]",
        "[ft_us]",
        "[yd_us]",
        "[mi_us]",
        "[sin_i]",
        "[sft_i]",
        "[cin_i]",
        "[cft_i]",
        "[gr]",
        "[oz_av]",
        "[lb_av]",
        "[ston_av]",
        "[oz_ap]",
        "[oz_tr]",
        "[lb_tr]",
        "[dr_ap]",
        "[dr_av]",
        "[sc_ap]",
        "[pwt_tr]",
        "[gal_us]",
        "[qt_us]",
        "[pt_us]",
        "[foz_us]",
        "[fdr_us]",
        "[min_us]",
        "[cup_us]",
        "[tbs_us]",
        "[tsp_us]",
        "[gil_us]",
        "[foz_m]",
        "[tsp_m]",
        "[tbs_m]",
        "[cup_m]",
        "[degF]",
        "[degR]",
        "[pH]",
        "[drp]",
        "[HPF]",
        "[LPF]",
        "[Ch]",
        "[diop]",
        "[p'diop]",
        "[mesh_i]",
        "[S]",
        "[Btu]",
        "[psi]",
        "[lbf_av]",
        "[car_m]",
        "[car_Au]",
        "[APGAR]",
        "[Cal]",
        "[cal]",
        "[hd_i]",
        "[PNU]",
        "[AU]",
        "[BAU]",
        "[didp']",
        "[MET]",
        "[wood'U]",
        "[mu_0]",
        "[eps_0]",
        "[c]",
        "[h]",
        "[k]",
        "[g]",
        "[G]",
        "[degRe]",
        "[kp_C]",
        "[kp_X]",
        "[kp_M]",
        "[kp_Q]",
        "[hp_C]",
        "[hp_M]",
        "[hp_Q]",
        "[mil_i]",
        "[mil_us]",
        "[acr_us]",
        "[nmi_br]",
        "att",
    ]
)
_SIMPLE = re.compile(r"^(?P<atom>10[*^]|(?:[A-Za-z%'_]*(?:\[[^\]\s]+\])[A-Za-z_]*)|[A-Za-z%'_]+)(?P<exp>[+-]?\d+)?$")


_DECEPTIVE = frozenset({"K", "C", "F", "G", "B", "MG", "ML", "KG", "R", "RAD", "REM"})
"""Valid UCUM (kelvin, coulomb, megagauss, megalitre) that in health records means something else."""


@lru_cache(maxsize=4096)
def is_ucum(unit: str) -> bool:
    """Whether `unit` is a valid UCUM expression of known atoms."""
    if not unit or len(unit) > 80 or not unit.isascii() or any(c.isspace() for c in unit):
        return False
    bare = _annotations(unit)
    if bare is None:
        return False
    if bare.count("(") != bare.count(")"):
        return False
    bare = bare.replace("(", "").replace(")", "")
    if bare.startswith("/"):
        bare = bare[1:]
    return all(_factor(part) for part in _split(bare))


def _split(text: str) -> list[str]:
    parts: list[str] = []
    depth, start = 0, 0
    for at, sign in enumerate(text):
        if sign == "[":
            depth += 1
        elif sign == "]":
            depth -= 1
        elif depth == 0 and sign in "./":
            parts.append(text[start:at])
            start = at + 1
    parts.append(text[start:])
    return parts


def _annotations(unit: str) -> str | None:
    """The unit without `{...}`; an annotation alone stands for 1. None where braces do not match."""
    out, depth = "", 0
    for at, sign in enumerate(unit):
        if sign == "{":
            if depth:
                return None
            depth = 1
            if at == 0 or unit[at - 1] in "./(":
                out += "1"
        elif sign == "}":
            if not depth:
                return None
            depth = 0
        elif not depth:
            out += sign
    return None if depth else out


def _factor(part: str) -> bool:
    if not part:
        return False
    if part.isdigit():
        return True
    match = _SIMPLE.match(part)
    if match is None:
        return False
    atom = match["atom"]
    if atom in _DECEPTIVE:
        return False
    if atom in _FIXED or atom in _METRIC:
        return True
    return any(atom.startswith(prefix) and atom[len(prefix) :] in _METRIC for prefix in _PREFIXES)
