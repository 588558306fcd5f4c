"""What a coded value of an HL7 table may become in FHIR, where FHIR has a code of its own (from the v2 tables and the R4 value sets)."""

from __future__ import annotations

SEX = {
    "M": ("male",), "F": ("female",), "O": ("other",), "U": ("unknown",), "A": ("other",), "N": ("other", "unknown"),
    "X": ("other",), "UN": ("other", "unknown"), "C": ("other",),
}  # fmt: skip
YES_NO = {"Y": ("true",), "N": ("false",), "1": ("true",), "0": ("false",), "YES": ("true",), "NO": ("false",)}
CLASS = {
    "I": ("IMP", "ACUTE"), "O": ("AMB",), "E": ("EMER",), "P": ("PRENC",), "R": ("AMB",), "B": ("AMB", "IMP"),
    "H": ("HH",), "V": ("VR",),
}  # fmt: skip
ETHNIC = {"H": ("2135-2",), "N": ("2186-5",), "U": ("UNK",), "NH": ("2186-5",)}
MARITAL = {
    "A": ("L",),
    "S": ("S",),
    "D": ("D",),
    "W": ("W",),
    "M": ("M",),
    "U": ("UNK",),
    "G": ("T",),
    "P": ("T",),
    "R": ("T",),
}
ALLERGY = {
    "DA": ("medication",), "FA": ("food",), "EA": ("environment",), "MA": ("medication", "food", "environment"),
    "AA": ("environment", "biologic"), "PA": ("environment", "biologic", "food"), "LA": ("environment",),
    "DRUG": ("medication",), "FOOD": ("food",), "ALLERGY": ("allergy",), "INTOLERANCE": ("intolerance",), "MC": ("medication",), "AL": ("allergy",), "IN": ("intolerance",), "SE": ("intolerance",), "AD": ("intolerance", "allergy"),
}  # fmt: skip
SEVERITY = {"SV": ("severe", "high"), "MO": ("moderate",), "MI": ("mild", "low"), "U": ("unable-to-assess",)}
RESULT = {
    "F": ("final", "completed"), "P": ("preliminary", "active"), "C": ("corrected", "amended", "completed"), "X": ("cancelled", "revoked"),
    "I": ("registered", "active"), "O": ("registered", "active"), "S": ("registered", "active"), "A": ("partial", "active"),
    "R": ("preliminary", "active", "registered", "partial"), "M": ("corrected", "amended", "final"), "Y": ("unknown",), "Z": ("unknown",), "D": ("entered-in-error",),
}  # fmt: skip
OBSERVATION = {
    "F": ("final",), "P": ("preliminary",), "C": ("corrected", "amended"), "X": ("cancelled",), "D": ("entered-in-error",), "W": ("entered-in-error",),
    "I": ("registered",), "O": ("registered", "unknown"), "S": ("preliminary", "partial", "registered"), "R": ("preliminary", "registered"), "U": ("final",),
    "A": ("amended", "preliminary"), "B": ("amended", "final", "corrected"), "N": ("unknown", "cancelled"), "V": ("final",), "Y": ("unknown",),
}  # fmt: skip
COMPLETION = {"CP": ("completed",), "RE": ("not-done",), "NA": ("not-done",), "PA": ("completed", "true")}
PRIORITY = {
    "S": ("stat",), "A": ("asap",), "R": ("routine",), "U": ("urgent",), "STAT": ("stat",), "P": ("urgent", "routine", "asap"), "T": ("urgent", "asap"),
    "C": ("urgent", "routine", "asap"),
}  # fmt: skip
DOCUMENT = {
    "AU": ("final", "amended"), "LA": ("final", "amended"), "DI": ("preliminary",), "DO": ("final", "preliminary"), "IN": ("preliminary",), "IP": ("preliminary",),
    "PA": ("preliminary",),
}  # fmt: skip
AVAILABILITY = {
    "AV": ("current",),
    "CA": ("entered-in-error",),
    "OB": ("superseded",),
    "UN": ("current", "superseded", "entered-in-error"),
}
APPOINTMENT = {
    "BOOKED": ("booked",), "COMPLETE": ("fulfilled",), "CANCELLED": ("cancelled",), "PENDING": ("pending",), "NOSHOW": ("noshow",), "STARTED": ("arrived", "checked-in"),
    "DELETED": ("entered-in-error", "cancelled"), "DC": ("cancelled",), "WAITLIST": ("waitlist",), "OVERBOOK": ("booked",), "BLOCKED": ("booked", "proposed", "cancelled"),
}  # fmt: skip
DIAGNOSIS = {"A": ("AD", "admission"), "W": ("CM", "working", "AD"), "F": ("DD", "final", "discharge")}
CONTENT = {
    "TX": ("text/plain",),
    "TEXT": ("text/plain",),
    "FT": ("text/plain",),
    "PDF": ("application/pdf",),
    "AP": ("application/pdf",),
}
ORIGIN = {"00": ("true",)}
# result flags: the v2 tables 0078 and 0080 and the FHIR code system share nearly every code; these few differ
FLAG = {"LL": ("LL",), "HH": ("HH",), "<": ("<",), ">": (">",), "AA": ("AA",)}

TABLES = {
    "SEX": SEX, "YN": YES_NO, "CLASS": CLASS, "MARITAL": MARITAL, "ETHNIC": ETHNIC, "ORIGIN": ORIGIN, "DIAGNOSIS": DIAGNOSIS, "CONTENT": CONTENT, "ALLERGY": ALLERGY, "SEVERITY": SEVERITY, "RESULT": RESULT,
    "OBSERVATION": OBSERVATION, "COMPLETION": COMPLETION, "PRIORITY": PRIORITY, "DOCSTATUS": DOCUMENT, "AVAILABILITY": AVAILABILITY,
    "APPOINTMENT": APPOINTMENT,
}  # fmt: skip
