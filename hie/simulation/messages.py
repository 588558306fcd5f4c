"""What invented clinics send: HL7v2 messages of 1 to 2 KB."""

from __future__ import annotations

import random
import time
from functools import lru_cache

from hie.simulation.people import Someone

LABS = (
    ("718-7", "Hemoglobin", "g/dL", 12.0, 17.5),
    ("4544-3", "Hematocrit", "%", 36.0, 50.0),
    ("6690-2", "Leukocytes", "10*3/uL", 3.5, 10.5),
    ("777-3", "Platelets", "10*3/uL", 150.0, 450.0),
    ("2345-7", "Glucose", "mg/dL", 70.0, 99.0),
    ("2160-0", "Creatinine", "mg/dL", 0.6, 1.3),
    ("2951-2", "Sodium", "mmol/L", 135.0, 145.0),
    ("2823-3", "Potassium", "mmol/L", 3.5, 5.1),
)
DOCTOR = "1306849450^REID^ALMA^^^DR^MD^^NPI^L^^^NPI"


@lru_cache(maxsize=4)
def _stamp(second: int) -> str:
    return time.strftime("%Y%m%d%H%M%S", time.gmtime(second)) + "+0000"


def stamp() -> str:
    return _stamp(int(time.time()))


def segments(*lines: str) -> bytes:
    return ("\r".join(lines) + "\r").encode()


def msh(application: str, facility: str, event: str, structure: str, control_id: str, processing: str = "P") -> str:
    return f"MSH|^~\\&|{application}|{facility}|HIE|REGION|{stamp()}||{event}^{structure}|{control_id}|{processing}|2.5.1|||AL|NE|USA|UNICODE UTF-8"


def pid(person: Someone, mrn: str, authority: str) -> str:
    identifiers = f"{mrn}^^^{authority}^MR" + (f"~{person.ssn}^^^USSSA^SS" if person.ssn else "")
    names = f"{person.family}^{person.given}^{person.middle}^^^^L"
    if person.former_family:
        names += f"~{person.former_family}^{person.given}^{person.middle}^^^^M"
    return (
        f"PID|1||{identifiers}||{names}||{person.born:%Y%m%d}|{person.sex}|||"
        f"{person.street}^^{person.town}^IL^{person.zip}^USA^H||{person.phone}^PRN^PH"
    )


def admission(
    person: Someone,
    mrn: str,
    authority: str,
    application: str,
    facility: str,
    event: str,
    control_id: str,
    visit: str,
    diagnosis: str = "I10^Essential (primary) hypertension^I10C",
    processing: str = "P",
) -> bytes:
    """ADT: A01, A04, A08 or A03 with one diagnosis and one allergy."""
    now = stamp()
    return segments(
        msh(application, facility, f"ADT^{event}", "ADT_A01", control_id, processing),
        f"EVN|{event}|{now}",
        pid(person, mrn, authority),
        f"NK1|1|{person.family}^ROBIN|SPO^Spouse^HL70063|{person.street}^^{person.town}^IL^{person.zip}^USA^H|{person.phone}^PRN^PH",
        f"PV1|1|E|ED^12^A^{facility}||||{DOCTOR}|||MED||||7||||EM|{visit}^^^{authority}^VN|||||||||||||||||||||||||{now}",
        "PV2|||^Shortness of breath",
        f"OBX|1|NM|8302-2^Body height^LN||171|cm^centimeter^UCUM|||||F|||{now}",
        f"OBX|2|NM|29463-7^Body weight^LN||74.2|kg^kilogram^UCUM|||||F|||{now}",
        "AL1|1|DA^Drug allergy^HL70127|7980^Penicillin G^RXNORM|SV^Severe^HL70128|Hives|20150312",
        f"DG1|1||{diagnosis}||{now}|A",
        f"IN1|1|PPO1^Plains Mutual PPO^LOCAL|77001|Plains Mutual|PO BOX 900^^SPRINGFIELD^IL^62705|||GRP-208||||20260101|||PPO|{person.family}^{person.given}|SEL^Self^HL70063|{person.born:%Y%m%d}",
    )


def laboratory(
    person: Someone,
    mrn: str,
    authority: str,
    application: str,
    facility: str,
    control_id: str,
    order: str,
    chance: random.Random,
) -> bytes:
    """ORU^R01 with a blood panel of eight results."""
    now = stamp()
    lines = [
        msh(application, facility, "ORU^R01", "ORU_R01", control_id),
        pid(person, mrn, authority),
        f"PV1|1|O|LAB^^^{facility}||||{DOCTOR}",
        f"ORC|RE|P{order}^{application}|F{order}^LAB||CM||||{now}|||{DOCTOR}",
        f"OBR|1|P{order}^{application}|F{order}^LAB|58410-2^CBC panel^LN|||{now}|||||||{now}|BLD^Blood^HL70487|{DOCTOR}||||||{now}||LAB|F",
    ]
    for i, (code, name, unit, low, high) in enumerate(LABS, 1):
        value = round(chance.uniform(low * 0.85, high * 1.15), 1)
        flag = "L" if value < low else "H" if value > high else "N"
        lines.append(
            f"OBX|{i}|NM|{code}^{name}^LN||{value}|{unit}^{unit}^UCUM|{low}-{high}|{flag}|||F|||{now}||TECH7^SOREL^KAI"
        )
    lines.append("NTE|1|L|Specimen slightly haemolysed; read potassium with caution.")
    return segments(*lines)


def immunization(
    person: Someone, mrn: str, authority: str, application: str, facility: str, control_id: str, order: str
) -> bytes:
    """VXU^V04: one influenza vaccine given today."""
    now = stamp()
    return segments(
        msh(application, facility, "VXU^V04", "VXU_V04", control_id),
        pid(person, mrn, authority),
        f"ORC|RE||{order}^{facility}|||||||||{DOCTOR}",
        f"RXA|0|1|{now[:8]}|{now[:8]}|150^Influenza, injectable, quadrivalent, preservative free^CVX|0.5|mL^milliliter^UCUM||00^New immunization record^NIP001|{DOCTOR}|^^^{facility}||||L{order[-5:]}|20270630|SKB^GlaxoSmithKline^MVX|||CP|A",
        "RXR|C28161^Intramuscular^NCIT|LD^Left deltoid^HL70163",
    )


def reportable(
    person: Someone, mrn: str, authority: str, application: str, facility: str, control_id: str, order: str
) -> bytes:
    """ORU^R01 with a result that the law asks a laboratory to report (salmonella in stool)."""
    now = stamp()
    return segments(
        msh(application, facility, "ORU^R01", "ORU_R01", control_id),
        pid(person, mrn, authority),
        f"OBR|1|P{order}^{application}|F{order}^LAB|625-4^Bacteria identified in Stool by Culture^LN|||{now}|||||||{now}|STL^Stool^HL70487|{DOCTOR}||||||{now}||MB|F",
        f"OBX|1|CWE|625-4^Bacteria identified in Stool by Culture^LN||27268008^Salmonella^SCT||||||F|||{now}",
        f"DG1|1||A02.0^Salmonella enteritis^I10C||{now}|W",
    )


def merge(
    person: Someone, mrn: str, prior: str, authority: str, application: str, facility: str, control_id: str
) -> bytes:
    """ADT^A40: the clinic found that it had registered somebody twice."""
    return segments(
        msh(application, facility, "ADT^A40", "ADT_A39", control_id),
        f"EVN|A40|{stamp()}",
        pid(person, mrn, authority),
        f"MRG|{prior}^^^{authority}^MR",
    )
