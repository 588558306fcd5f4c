"""Each page in a real browser, headless and without script: something is drawn, nothing hangs over, no asset is missing.

The pictures are kept under HIE_SCREENSHOTS where that is set, else under pytest's temporary directory.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from tests.api.region import Region

BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
BROWSER = next((found for name in BROWSERS if (found := shutil.which(name))), None)
PAGES = {
    "login": "/console/login",
    "feeds": "/console",
    "messages": "/console/messages",
    "message": "/console/messages/{seen}",
    "content": "/console/messages/{seen}/content",
    "deliveries": "/console/deliveries",
    "queue": "/console/deliveries/primary-care",
    "deadletters": "/console/deadletters?subscriber=county-ed&reason=refused",
    "confirm": "/console/deadletters/ask",
    "quarantine": "/console/quarantine",
    "codes": "/console/codes",
    "repairs": "/console/quarantine/release",
    "audit": "/console/audit",
    "settings": "/console/settings",
    "error": "/console/nothing",
}
FORMS = {
    "content": {"reason": "delivery-problem"},
    "confirm": {"subscriber": "county-ed", "reason": "refused"},
    "repairs": {"feed": "harbor", "reason": "undecodable"},
}

pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium: apt-get install chromium-headless-shell")


@pytest.mark.slow
# what is drawn is the same HTML on both
@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("scheme", "width"), [("light", 1360), ("dark", 1360), ("light", 420)])
def test_pages_as_a_browser_draws_them(story: Region, tmp_path: Path, scheme: str, width: int) -> None:
    seen = next(
        iter(story.services.reader.connect().exec_driver_sql("SELECT id FROM message WHERE control_id='SEEN-1'"))
    )[0]
    kept = Path(os.environ.get("HIE_SCREENSHOTS", tmp_path / "screens"))
    kept.mkdir(parents=True, exist_ok=True)
    names = (
        list(PAGES)
        if scheme == "light" and width > 1000
        else ["feeds", "message", "login", "deadletters", "quarantine"]
    )
    with story.browser("root") as browser:
        style = browser.client.get("/console/static/console.css").text
        for name in names:
            address = PAGES[name].format(seen=seen)
            answer = browser.post(address, **FORMS[name]) if name in FORMS else browser.client.get(address)
            if name == "login":
                browser.client.cookies.clear()
                answer = browser.client.get(address)
                browser.login("root")
            picture = kept / f"{name}-{scheme}-{width}.png"
            _draw(answer.text, style, tmp_path / f"{name}.html", picture, scheme, width)
            drawn_width, _ = struct.unpack(">II", picture.read_bytes()[16:24])
            assert drawn_width == width
            assert picture.stat().st_size > 8_000, name


def _draw(html: str, style: str, file: Path, picture: Path, scheme: str, width: int) -> None:
    """The page as served, with the style sheet beside it (the browser has no session)."""
    assert "<script" not in html
    assert " style=" not in html, "the content security policy forbids inline styles"
    (file.parent / "console.css").write_text(style)
    file.write_text(html.replace("/console/static/console.css", "console.css"))
    assert BROWSER is not None
    subprocess.run(
        [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--hide-scrollbars",
            f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}",
            f"--window-size={width},1100",
            f"--screenshot={picture}",
            f"file://{file}",
        ],
        check=True,
        capture_output=True,
        timeout=60,
    )
