"""Common analytes: printed names, LOINC code, plausible limits of the number in its usual unit.

Limits are of what can be measured in a living person, not of health: a value beyond them is damage (a lost or phantom
decimal point) until a person has looked.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Analyte(NamedTuple):
    name: str
    loinc: str
    low: float
    high: float


_TABLE = """
Glucose|2345-7|10|1500|glucose,glucose serum,glucose fasting,fasting glucose,blood glucose
BUN|3094-0|1|250|bun,urea nitrogen,blood urea nitrogen,urea nitrogen (bun)
Creatinine|2160-0|0.1|30|creatinine,creatinine serum
eGFR|33914-3|1|200|egfr,gfr,estimated gfr,egfr non-african american
Sodium|2951-2|95|190|sodium,na
Potassium|2823-3|1.5|10|potassium,k
Chloride|2075-0|60|150|chloride,cl
Carbon dioxide|2028-9|3|60|carbon dioxide,co2,bicarbonate,carbon dioxide total
Calcium|17861-6|4|18|calcium,calcium total
Total protein|2885-2|2|15|total protein,protein total
Albumin|1751-7|0.8|7|albumin
Total bilirubin|1975-2|0.1|50|total bilirubin,bilirubin total,bilirubin
Alkaline phosphatase|6768-6|5|3000|alkaline phosphatase,alk phos,alp
AST|1920-8|3|15000|ast,ast (sgot),sgot
ALT|1742-6|3|15000|alt,alt (sgpt),sgpt
Hemoglobin A1c|4548-4|3|20|hemoglobin a1c,hba1c,a1c,hgb a1c,hemoglobin a1c (hba1c)
Total cholesterol|2093-3|40|900|total cholesterol,cholesterol total,cholesterol
HDL cholesterol|2085-9|5|180|hdl,hdl cholesterol
LDL cholesterol|13457-7|5|700|ldl,ldl cholesterol,ldl calculated,ldl chol calc
Triglycerides|2571-8|15|8000|triglycerides
TSH|3016-3|0.001|200|tsh,thyroid stimulating hormone
Free T4|3024-7|0.1|10|free t4,t4 free,thyroxine free
WBC|6690-2|0.1|500|wbc,white blood cell count,white blood cells,leukocytes
RBC|789-8|0.8|10|rbc,red blood cell count,red blood cells
Hemoglobin|718-7|2|25|hemoglobin,hgb,hb
Hematocrit|4544-3|8|75|hematocrit,hct
MCV|787-2|40|150|mcv
MCH|785-6|10|60|mch
MCHC|786-4|20|45|mchc
RDW|788-0|8|40|rdw
Platelets|777-3|1|3000|platelets,platelet count,plt
INR|6301-6|0.5|20|inr
PT|5902-2|5|150|prothrombin time,pt
Ferritin|2276-4|1|20000|ferritin
Iron|2498-4|3|600|iron,iron total
Vitamin D|1989-3|3|200|vitamin d,vitamin d 25-hydroxy,25-hydroxy vitamin d,25-oh vitamin d
Vitamin B12|2132-9|50|4000|vitamin b12,b12
Folate|2284-8|0.5|60|folate
Magnesium|19123-9|0.4|10|magnesium,mg
Phosphorus|2777-1|0.4|20|phosphorus,phosphate
Uric acid|3084-1|0.5|25|uric acid
PSA|2857-1|0.01|5000|psa,psa total,prostate specific antigen
CRP|1988-5|0.01|700|crp,c-reactive protein
ESR|4537-7|0|160|esr,sed rate,sedimentation rate
Troponin I|10839-9|0|500|troponin,troponin i
BNP|30934-4|1|35000|bnp,nt-probnp
Lipase|3040-3|1|20000|lipase
"""
ANALYTES = [
    (Analyte(name, loinc, float(low), float(high)), names.split(","))
    for name, loinc, low, high, names in (row.split("|") for row in _TABLE.strip().splitlines())
]
_BY_NAME = {_key: analyte for analyte, names in ANALYTES for _key in names}


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9() -]", "", text.lower().replace(",", " ").replace("  ", " ")).strip()


def analyte(text: str) -> Analyte | None:
    """The analyte printed as `text`; characters that OCR confuses are forgiven in names of six letters and more."""
    plain = _plain(text)
    if (exact := _BY_NAME.get(plain)) is not None:
        return exact
    if len(plain) < 6:
        return None
    folded = _folded(plain)
    for name, known in _BY_NAME.items():
        if abs(len(name) - len(plain)) <= 1 and len(name) >= 6 and _folded(name) == folded:
            return known
    return None


def is_printed_exactly(text: str) -> bool:
    """True where the name needed no forgiveness."""
    return _plain(text) in _BY_NAME


_FOLD = str.maketrans({"0": "o", "1": "i", "l": "i", "5": "s", "8": "b", "c": "e", "6": "b"})


def _folded(text: str) -> str:
    return text.translate(_FOLD).replace("rn", "m").replace(" ", "")
