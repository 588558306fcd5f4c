"""Common drugs and the strengths (mg, mcg where the tablet is) that exist: a dose beside them is a lost decimal point
until a person has looked. Public knowledge of US labels; not a formulary."""

from __future__ import annotations

from adapters.fax.damage import distance

_TABLE = """
acetaminophen 325 500 650 1000|albuterol 0.63 1.25 2.5 90 2 4|allopurinol 100 300|alprazolam 0.25 0.5 1 2|amiodarone 100 200 400
amitriptyline 10 25 50 75 100 150|amlodipine 2.5 5 10|amoxicillin 125 200 250 400 500 875|apixaban 2.5 5|aripiprazole 2 5 10 15 20 30
aspirin 81 325 500|atenolol 25 50 100|atorvastatin 10 20 40 80|azithromycin 100 200 250 500 600|baclofen 5 10 20
benazepril 5 10 20 40|bisoprolol 5 10|budesonide 0.25 0.5 1 3 9|bumetanide 0.5 1 2|buprenorphine 2 8|bupropion 75 100 150 200 300
buspirone 5 7.5 10 15 30|carbamazepine 100 200 300 400|carvedilol 3.125 6.25 12.5 25|cefdinir 300|celecoxib 50 100 200 400
cephalexin 250 500 750|cetirizine 5 10|ciprofloxacin 250 500 750|citalopram 10 20 40|clonazepam 0.5 1 2|clonidine 0.1 0.2 0.3
clopidogrel 75 300|cyclobenzaprine 5 7.5 10|dapagliflozin 5 10|diazepam 2 5 10|diclofenac 25 50 75 100|digoxin 0.0625 0.125 0.25 125 250
diltiazem 30 60 90 120 180 240 300 360|donepezil 5 10 23|doxazosin 1 2 4 8|doxycycline 50 75 100|duloxetine 20 30 40 60
empagliflozin 10 25|enalapril 2.5 5 10 20|escitalopram 5 10 20|esomeprazole 20 40|estradiol 0.5 1 2|ezetimibe 10|famotidine 10 20 40
fenofibrate 48 54 145 160|finasteride 1 5|fluconazole 50 100 150 200|fluoxetine 10 20 40 60|fluticasone 44 50 110 220|furosemide 20 40 80
gabapentin 100 300 400 600 800|glimepiride 1 2 4|glipizide 2.5 5 10|glyburide 1.25 2.5 5|hydralazine 10 25 50 100
hydrochlorothiazide 12.5 25 50|hydrocodone 5 7.5 10|hydroxychloroquine 200|hydroxyzine 10 25 50|ibuprofen 200 400 600 800
insulin 100|irbesartan 75 150 300|isosorbide 10 20 30 40 60 120|lamotrigine 25 100 150 200|lansoprazole 15 30|latanoprost 0.005
levetiracetam 250 500 750 1000|levofloxacin 250 500 750|levothyroxine 25 50 75 88 100 112 125 137 150 175 200 300 0.025 0.05 0.075 0.088 0.1 0.112 0.125 0.15
lisinopril 2.5 5 10 20 30 40|lithium 150 300 450 600|loratadine 10|lorazepam 0.5 1 2|losartan 25 50 100|lovastatin 10 20 40
meloxicam 7.5 15|metformin 500 750 850 1000|methadone 5 10 40|methotrexate 2.5 5 7.5 10 15 25|methylphenidate 5 10 18 20 27 36 54
metoprolol 25 37.5 50 75 100 200|metronidazole 250 500|mirtazapine 7.5 15 30 45|montelukast 4 5 10|morphine 15 30 60 100|naltrexone 50 380
naproxen 220 250 375 500|nifedipine 10 20 30 60 90|nitrofurantoin 50 100|nitroglycerin 0.3 0.4 0.6|nortriptyline 10 25 50 75|olanzapine 2.5 5 7.5 10 15 20
omeprazole 10 20 40|ondansetron 4 8|oxycodone 5 10 15 20 30|pantoprazole 20 40|paroxetine 10 20 30 40|penicillin 250 500|pioglitazone 15 30 45
potassium 8 10 20|pravastatin 10 20 40 80|prednisone 1 2.5 5 10 20 50|pregabalin 25 50 75 100 150 200 225 300|propranolol 10 20 40 60 80 120 160
quetiapine 25 50 100 150 200 300 400|ramipril 1.25 2.5 5 10|ranitidine 75 150 300|risperidone 0.25 0.5 1 2 3 4|rivaroxaban 2.5 10 15 20
rosuvastatin 5 10 20 40|sertraline 25 50 100|sildenafil 20 25 50 100|simvastatin 5 10 20 40 80|sitagliptin 25 50 100|spironolactone 25 50 100
sumatriptan 25 50 100|tamsulosin 0.4|tizanidine 2 4 6|topiramate 25 50 100 200|torsemide 5 10 20 100|tramadol 50 100|trazodone 50 100 150 300
valsartan 40 80 160 320|venlafaxine 25 37.5 50 75 100 150 225|verapamil 40 80 120 180 240|warfarin 1 2 2.5 3 4 5 6 7.5 10|zolpidem 5 6.25 10 12.5
"""
STRENGTHS: dict[str, frozenset[float]] = {
    (words := entry.split())[0]: frozenset(map(float, words[1:]))
    for row in _TABLE.strip().splitlines()
    for entry in row.split("|")
}
_BRANDS = {
    "lipitor": "atorvastatin", "zocor": "simvastatin", "crestor": "rosuvastatin", "norvasc": "amlodipine", "zestril": "lisinopril",
    "prinivil": "lisinopril", "cozaar": "losartan", "glucophage": "metformin", "synthroid": "levothyroxine", "coumadin": "warfarin",
    "eliquis": "apixaban", "xarelto": "rivaroxaban", "plavix": "clopidogrel", "lasix": "furosemide", "zoloft": "sertraline",
    "prozac": "fluoxetine", "lexapro": "escitalopram", "neurontin": "gabapentin", "prilosec": "omeprazole", "protonix": "pantoprazole",
    "singulair": "montelukast", "ventolin": "albuterol", "proair": "albuterol", "tylenol": "acetaminophen", "xanax": "alprazolam",
    "januvia": "sitagliptin", "jardiance": "empagliflozin", "farxiga": "dapagliflozin", "toprol": "metoprolol", "lopressor": "metoprolol",
    "suboxone": "buprenorphine", "ambien": "zolpidem", "flomax": "tamsulosin", "hctz": "hydrochlorothiazide", "asa": "aspirin",
}  # fmt: skip


def drug(name: str) -> str | None:
    """The generic name of a printed drug (first word), one or two damaged letters forgiven in long names that are near
    to one drug only."""
    word = name.split()[0].lower().strip(",.;:") if name.split() else ""
    if word in STRENGTHS:
        return word
    if word in _BRANDS:
        return _BRANDS[word]
    if len(word) < 7:
        return None
    most = 1 if len(word) < 10 else 2
    near = [known for known in STRENGTHS if distance(word, known, most) <= most]
    return near[0] if len(near) == 1 else None


def is_printed_exactly(name: str) -> bool:
    """True where the first word is a known name without forgiveness."""
    word = name.split()[0].lower().strip(",.;:") if name.split() else ""
    return word in STRENGTHS or word in _BRANDS
