"""The project's load and fault tool against a listener with a real journal, where the tool lies beside the project."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.intake.test_intake_process import ROOT, running

TOOL = Path(os.environ.get("HIE_MLLP_TOOL", ROOT.parent / "shared" / "tools" / "mllp_load.py"))
SILENT = {"http_request_only", "no_SB", "no_EB_then_close", "empty_frame", "msh15_NE_msh16_NE", "incoming_ACK_message"}
EXPECTED = {
    "two_frames_one_write": ["CA:TWO1", "CA:TWO2"],
    "garbage_between_frames": ["CA:GB1", "CA:GB2"],
    "no_EB_then_next_SB": ["CA:AFTER2"],
    "EB_without_CR_then_next_SB": ["CA:NOCR1", "CA:NOCR2"],
    "two_MSH_in_one_frame": ["CA:MSHA", "CA:MSHB"],
    "FHS_BHS_batch_in_one_frame": ["CA:BATCH1"],
    "only_MSH_4_chars": ["AR: 101"],
    "no_MSH": ["AR: 100"],
    "non_hl7_bytes": ["AR: 100"],
    "no_MSH10": ["CE: 101"],
    "duplicate_MSH10_same_body": ["CA:DUP1", "CA:DUP1"],
    "duplicate_MSH10_other_body": ["CA:DUP2", "CA:DUP2"],
    "unknown_version": ["CR:VER1 203"],
    "unknown_message_type": ["CR:TYP1 200"],
    "msh15_AL_msh16_AL": ["CA:ACK2", "AA:ACK2"],
    "msh15_16_empty_original_mode": ["AA:ACK3"],
    "oversized_67108864_bytes": ["CR:BIG1 207"],
}


def short(answer: str) -> str:
    head, _, segment = answer.partition(" [")
    return f"{head} {segment.split('|')[3].split('^')[0]}" if segment else head


@pytest.mark.slow
def test_all_plain_cases(tmp_path: Path) -> None:
    if not TOOL.is_file():
        pytest.skip(f"no {TOOL}: set HIE_MLLP_TOOL to the load and fault tool")
    with running(tmp_path) as intake:
        command = [sys.executable, str(TOOL), "abuse", "--port", str(intake.port), "--slow-seconds", "3"]
        lines = subprocess.run(command, capture_output=True, check=True, timeout=120).stdout.splitlines()
    cases = {case.pop("case"): case for case in map(json.loads, lines)}
    assert len(cases) == 43
    for name, case in cases.items():
        assert "probe_error" not in case, name
        if name in SILENT:
            assert case["frames"] == [], name
        elif name in EXPECTED:
            assert [short(frame) for frame in case["frames"]] == EXPECTED[name], name
        elif name.startswith("flood"):
            for part in ("good_message_meanwhile", "good_message_after"):
                assert case[part]["frames"][0].startswith("CA:"), part
        elif not name.startswith("slowloris"):
            (frame,) = case["frames"]
            assert frame.startswith("CA:"), (name, frame)
    assert cases["many_segments_20000"]["ms"] < 200
