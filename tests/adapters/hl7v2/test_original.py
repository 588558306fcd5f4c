"""Forwarding of the stored bytes: byte-exact where everything is allowed, nothing withheld where it is not."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hl7v2.original import encode
from hie.errors import PermanentRefusal
from hie.model import Source, SubscriberContext, View

ED = SubscriberContext(name="ed", key="k1", application="TRIAGE", facility="NORTH ED")
ANYONE = SubscriberContext(name="any", key="k2")

ORU = "\r".join(
    [
        "MSH|^~\\&|LAB|CLINIC|HIE|REGION|20260301101500-0600||ORU^R01|C-77|P|2.5.1",
        "PID|1||4471^^^CLINIC^MR||TESTA^ANNA||19700203|F",
        "PD1||||",
        "PV1|1|O",
        "ORC|RE|A1",
        "OBR|1|A1|B1|24323-8^Metabolic panel^LN|||20260301|||||| |||||||||||||||||||",
        "NTE|1|L|Specimen slightly hemolyzed",
        "OBX|1|NM|2345-7^Glucose^LN||92|mg/dL|70-99|N|||F",
        "OBX|2|TX|8251-1^Comment^LN||Patient admits to drinking daily||||||F",
        "ORC|RE|A2",
        "OBR|2|A2|B2|3426-4^Tetrahydrocannabinol screen^LN|||20260301|||||cannabis dependence",
        "OBX|1|CWE|3426-4^Tetrahydrocannabinol^LN||260373001^Detected^SCT||||||F",
        "NTE|1|L|Confirmed by GC/MS",
        "ZLB|1|THC",
    ]
)


def view(raw: str | bytes, removed: set[str] = frozenset(), known: set[str] | None = None, **more: object) -> View:
    raw = raw.encode() if isinstance(raw, str) else raw
    if known is None:
        known = set()
        counts: dict[str, int] = {}
        for line in re.split(rb"[\r\n]+", raw):
            name = line[:3].decode("latin-1")
            counts[name] = counts.get(name, 0) + 1
            known.add(f"{name}[{counts[name]}]")
    known = known - set(removed)
    resources = tuple({"resourceType": "Basic", "id": str(i)} for i, _ in enumerate(sorted(known)))
    sources = tuple(Source(f"Basic/{i}", place) for i, place in enumerate(sorted(known)))
    return View(
        message_id="m",
        event="ORU^R01",
        enterprise_id="e",
        patient=None,
        resources=more.pop("resources", resources),  # type: ignore[arg-type]
        sources=sources,
        raw=raw,
        removed=frozenset(removed),
        **more,  # type: ignore[arg-type]
    )


def test_without_a_receiver_and_without_removal_the_bytes_are_the_senders() -> None:
    assert encode(view(ORU), ANYONE) == ORU.encode()


def test_only_receiver_fields_change() -> None:
    out = encode(view(ORU), ED).decode()
    assert out == ORU.replace("|HIE|REGION|", "|TRIAGE|NORTH ED|")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("final", [True, False])
def test_segment_ends_stay(end: str, final: bool) -> None:
    raw = ORU.replace("\r", end) + (end if final else "")
    assert encode(view(raw), ANYONE) == raw.encode()


def test_withheld_result_takes_group_notes_text_and_local_segments() -> None:
    out = encode(view(ORU, {"OBX[3]"}), ED).decode()
    assert [line[:5] for line in out.split("\r")] == ["MSH|^", "PID|1", "PD1||", "PV1|1", "ORC|R", "OBR|1", "OBX|1", ""]
    for string_ in ("THC", "Tetra", "drinking", "cannabis", "3426-4", "GC/MS", "hemolyzed", "260373001"):
        assert string_ not in out
    assert "OBX|1|NM|2345-7^Glucose^LN||92|mg/dL|70-99|N|||F" in out


@pytest.mark.invariant(3)
def test_a_place_of_which_only_the_laboratory_is_left_counts_as_withheld() -> None:
    """The observation was denied; its performer, made from the same segment, is still in the view."""
    full = view(ORU)
    resources = tuple(
        r
        for r in full.resources
        if f"Basic/{r['id']}" not in {s.reference for s in full.sources if s.where == "OBX[3]"}
    )
    laboratory = {"resourceType": "Organization", "id": "lab"}
    sources = (*(s for s in full.sources if s.where != "OBX[3]"), Source("Organization/lab", "OBX[3]"))
    left = View("m", "ORU^R01", "e", None, (*resources, laboratory), sources, full.raw)
    out = encode(left, ED)
    assert b"260373001" not in out
    assert b"Tetrahydro" not in out
    assert b"Glucose" in out


def test_header_and_event_stay_whatever_became_of_their_resources() -> None:
    assert encode(view(ORU, {"MSH", "OBX[3]"}), ANYONE).startswith(b"MSH|^~")


def test_released_text_stays() -> None:
    out = encode(view(ORU, {"OBX[3]"}, released=frozenset({"NTE[1]"})), ED).decode()
    assert "Specimen slightly hemolyzed" in out
    assert "drinking" not in out


def test_withheld_order_takes_its_results() -> None:
    out = encode(view(ORU, {"OBR[1]"}), ED).decode()
    assert "Glucose" not in out
    assert "Metabolic" not in out
    assert "3426-4" in out


def test_reason_that_repeats_a_withheld_diagnosis_is_emptied() -> None:
    raw = "\r".join(
        [
            "MSH|^~\\&|A|B|||20260301||ADT^A01|1|P|2.5.1",
            "PID|1||1^^^B^MR||TESTA^ANNA",
            "PV1|1|I",
            "PV2|||F11.20^Opioid dependence^I10",
            "DG1|1||F11.20^Opioid dependence^I10",
            "DG1|2||J45.909^Asthma^I10",
            "OBX|1|CE|29308-4^Diagnosis^LN||F11.20^^I10||||||F",
        ]
    )
    out = encode(view(raw, {"DG1[1]"}), ANYONE).decode()
    assert "F11.20" not in out
    assert "pioid" not in out
    assert "Asthma" in out
    assert "PV2|||\r" in out


def test_never_labelled_segment_does_not_travel_beside_a_withheld_one() -> None:
    raw = "MSH|^~\\&|A|B|||1||ADT^A01|1|P|2.5\rPID|1||1\rDG1|1||F11.20\rDG1|2||J45\rFT1|1|||||CG|methadone\r"
    known = {"PID[1]", "DG1[2]"}
    out = encode(view(raw, {"DG1[1]"}, known), ANYONE)
    assert b"methadone" not in out
    assert b"J45" in out
    assert encode(view(raw, set(), known), ANYONE) == raw.encode()


def test_immunisation_group_goes_whole_and_the_other_stays() -> None:
    raw = (
        "MSH|^~\\&|A|B|||1||VXU^V04|1|P|2.5.1\rPID|1||1\rORC|RE||1\rRXA|0|1|20200101||03^MMR^CVX|999\rRXR|SC\r"
        "OBX|1|CE|30956-7^Type^LN||03^MMR^CVX||||||F\rORC|RE||2\rRXA|0|1|20200101||08^HepB ped^CVX|999\rRXR|IM\r"
    )
    out = encode(view(raw, {"RXA[1]"}), ANYONE)
    assert b"MMR" not in out
    assert out.count(b"ORC") == out.count(b"RXA") == out.count(b"RXR") == 1
    only_the_observation = encode(view(raw, {"OBX[1]"}), ANYONE)
    assert only_the_observation.count(b"RXA") == 2


def test_obligations_are_notes_in_the_senders_delimiters() -> None:
    raw = "MSH#*!?:#A#B###1##ADT*A01#1#P#2.5\rPID#1##7\rPD1#\rPV1#1#I\r"
    notice = "42 CFR part 2 prohibits unauthorized use # or disclosure: of these records."
    out = encode(view(raw, obligations=(notice,), purpose="TREAT", consent="Consent/9"), ANYONE).decode()
    lines = out.split("\r")
    assert lines[3] == "NTE#1#O#42 CFR part 2 prohibits unauthorized use ?F? or disclosure?T? of these records.#RE"
    assert lines[4] == "NTE#2#O#Purpose of use?T? TREAT#RE"
    assert lines[5] == "NTE#3#O#Consent?T? Consent/9#RE"
    assert lines[6] == "PV1#1#I"


def test_notes_of_ours_are_counted_on_and_written_in_the_senders_character_set() -> None:
    raw = "MSH|^~\\&|A|B|||1||ORU^R01|1|P|2.5||||||8859/1\rPID|1||7\rNTE|1||caf\xe9\rOBR|1\r".encode("latin-1")
    out = encode(view(raw, obligations=("§ 2.32 – é 漢",)), ANYONE)
    assert b"NTE|1||caf\xe9\rNTE|2|O|\xa7 2.32 - \xe9 ?|RE\r" in out


def label(code: str) -> tuple[dict[str, object], ...]:
    system = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
    return ({"resourceType": "Basic", "id": "x", "meta": {"security": [{"system": system, "code": code}]}},)


def test_confidentiality_is_raised_never_lowered() -> None:
    raw = "MSH|^~\\&|A|B|||1||MDM^T02|1|P|2.5.1\rPID|1||7\rPD1||||||||||||N\rORC|RE\rTXA|1|CN|||||||||||||||||V\r"
    out = encode(view(raw, resources=label("R")), ANYONE).decode().split("\r")
    assert out[2] == "PD1||||||||||||Y"
    assert out[3] == "ORC|RE" + "|" * 27 + "R"
    assert out[4].endswith("|V")
    assert encode(view(raw, resources=label("N")), ANYONE).decode() == raw


def test_several_patients_only_ones_own_part() -> None:
    raw = (
        "MSH|^~\\&|A|B|||1||ORU^R01|1|P|2.5.1\rPID|1||1\rOBR|1||x|1^A^L\rOBX|1|NM|1^A^L||5\r"
        "PID|2||2\rOBR|1||y|2^B^L\rOBX|1|NM|2^B^L||6\r"
    )
    first = encode(view(raw, set(), {"PID[1]", "OBR[1]", "OBX[1]"}), ANYONE)
    second = encode(view(raw, set(), {"PID[2]", "OBR[2]", "OBX[2]"}), ANYONE)
    assert first + second[second.index(b"PID") :] == raw.encode()
    with pytest.raises(PermanentRefusal) as refused:
        encode(view(raw, set(), {"OBX[1]"}), ANYONE)
    assert refused.value.code == "original-several-patients"


@pytest.mark.invariant(8)
@pytest.mark.parametrize(
    ("raw", "removed", "code"),
    [
        ("<ClinicalDocument/>", set(), "original-not-hl7v2"),
        ('{"resourceType": "Bundle"}', {"OBX[1]"}, "original-not-hl7v2"),
        (ORU + "\r" + ORU, set(), "original-batch"),
        (ORU, {"OBX[9]"}, "original-place"),
        (ORU, {"page 1 line 2"}, "original-place"),
        (ORU, {"PID[1]"}, "original-subject-withheld"),
        (ORU, {"OBR[1]", "OBR[2]"}, "original-nothing-left"),
        ("MSH|^~\\&|A|B|||1||ORU^R01|1|P|2.5\rPID" + "|" * 31 + "PV1|1|O\rOBR|1\rOBX|1|NM|1||1\r", {"OBX[1]"}, None),
    ],
)
def test_refusals_name_a_code_and_no_value(raw: str, removed: set[str], code: str | None) -> None:
    with pytest.raises(PermanentRefusal) as refused:
        encode(view(raw, removed), ED)
    assert code is None or refused.value.code == code
    assert "TESTA" not in str(refused.value)


def test_byte_order_mark_and_single_message_batch_wrapper_are_left_off() -> None:
    wrapped = b"\xef\xbb\xbf" + b"FHS|^~\\&\rBHS|^~\\&\r" + ORU.encode() + b"\rBTS|1\rFTS|1\r"
    assert encode(view(wrapped), ANYONE) == ORU.encode() + b"\r"


def test_broken_text_line_goes_with_its_segment() -> None:
    raw = ORU.replace("Detected^SCT", "Detected\nfurther words on use^SCT")
    out = encode(view(raw, {"OBX[3]"}), ED)
    assert b"further words" not in out


MARKS = [m for m in string.punctuation if m not in "'\"_-.,"]


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, list[bytes], list[str], set[str]]:
    """A message of orders with coded results in drawn delimiters; every segment has a token of its own."""
    field, component, repetition, escape, sub = draw(st.permutations(MARKS))[:5]
    end = draw(st.sampled_from(["\r", "\n", "\r\n"]))
    token = iter(f"{n:04d}" for n in range(10000))

    def segment(*parts: str) -> str:
        return field.join(parts)

    lines = [
        segment(
            f"MSH{field}{component}{repetition}{escape}{sub}", "A", "B", "", "", "1", "", f"ORU{component}R01", "7"
        ),
        segment("PID", "1", "", f"P{next(token)}"),
    ]
    for _ in range(draw(st.integers(1, 4))):
        if draw(st.booleans()):
            lines.append(segment("ORC", "RE", f"c{next(token)}"))
        lines.append(segment("OBR", "1", f"r{next(token)}", "", component.join((f"Q{next(token)}", "name", "L"))))
        for _ in range(draw(st.integers(0, 4))):
            kind = draw(st.sampled_from(["NM", "CE", "TX", "ST", "NTE", "ZZZ"]))
            if kind in ("NTE", "ZZZ"):
                lines.append(segment(kind, "1", "", f"text t{next(token)}"))
            else:
                code = component.join((f"X{next(token)}", f"u{next(token)}", "L"))
                lines.append(segment("OBX", "1", kind, code, "", f"V{next(token)}"))
    counts: dict[str, int] = {}
    places = []
    for line in lines:
        name = line[:3]
        counts[name] = counts.get(name, 0) + 1
        places.append(f"{name}[{counts[name]}]")
    removable = [p for p in places if p[:3] in ("OBX", "OBR", "NTE", "ZZZ")]
    removed = draw(st.sets(st.sampled_from(removable), min_size=0, max_size=4))
    raw = end.join([*lines, ""]).encode()
    return raw, [(line + end).encode() for line in lines], places, removed


@pytest.mark.invariant(3)
@settings(max_examples=150, deadline=None)
@given(messages())
def test_no_byte_of_a_removed_segment_leaves_and_every_other_line_is_the_senders(
    drawn: tuple[bytes, list[bytes], list[str], set[str]],
) -> None:
    raw, lines, places, removed = drawn
    try:
        out = encode(view(raw, removed), ANYONE)
    except PermanentRefusal as refused:
        if not removed or refused.code != "original-nothing-left":
            raise
        return
    if not removed:
        assert out == raw
    for line, place in zip(lines, places, strict=True):
        if place in removed:
            for token in re.findall(rb"[A-Za-z]\d{4}", line):
                assert token not in out
    left = list(out.splitlines(keepends=True)) if b"\n" in raw else [p + b"\r" for p in out.split(b"\r")][:-1]
    remaining = iter(lines)
    for line in left:
        assert any(line == original for original in remaining), "a line was changed or moved"


def test_what_the_sender_asked_of_us_is_not_asked_of_the_next() -> None:
    asked = ORU.replace("|C-77|P|2.5.1", "|C-77|P|2.5.1|||NE|AL")
    header = encode(view(asked), ANYONE).split(b"\r")[0].split(b"|")
    assert header[14:16] == [b"AL", b"NE"], "a forwarded NE would ask the subscriber for silence"
    assert header[9] == b"C-77"
    assert encode(view(ORU), ANYONE) == ORU.encode(), "original mode stays original"
