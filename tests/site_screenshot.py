"""`python -m tests.site_screenshot`: the README's picture of the site, light beside dark, made by Debian's Chromium.

Of the live edge with an announced and a draining address, so that there is something to see.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from playwright.sync_api import Browser, ViewportSize

from inventory import folder
from tests.site.conftest import chromium, served
from tests.site.inventories import rendered
from tests.stacks import ROOT
from tests.unit.published import LIVE, address

PICTURE = ROOT / "docs" / "site.png"
SIZE = ViewportSize(width=600, height=800)
COMING = address(
    "warp-nat-ip-4",
    "198.51.100.1",
    status="announced",
    announcedOn="2026-03-01",
    activeOn="2026-04-01",
    purpose="Vendor egress 4",
)
LEAVING = {"status": "draining", "drainedOn": "2026-03-02", "replacedBy": ["198.51.100.1"]}
# Both halves in one picture: a page that shows two pages.
BESIDE = "<style>body{margin:0;display:flex}</style>" + "".join(
    f'<img src="{scheme}.png" width="{SIZE["width"]}">' for scheme in ("light", "dark")
)


def main() -> None:
    *others, leaving, old, older = LIVE["addresses"]
    edge = LIVE | {"addresses": [*others, leaving | LEAVING, COMING, old, older]}
    with tempfile.TemporaryDirectory() as directory, chromium() as browser, served(Path(directory)) as url:
        folder.replace(Path(directory) / "site", rendered(edge))
        for scheme in ("light", "dark"):
            _picture(browser, f"{url}site/index.html", Path(directory) / f"{scheme}.png", color_scheme=scheme)
        (Path(directory) / "both.html").write_text(BESIDE, encoding="utf-8")
        both = ViewportSize(width=2 * SIZE["width"], height=SIZE["height"])
        _picture(browser, f"{url}both.html", PICTURE, viewport=both)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} kB")


def _picture(browser: Browser, url: str, file: Path, **options: object) -> None:
    context = browser.new_context(**({"viewport": SIZE} | options))  # type: ignore[arg-type]
    page = context.new_page()
    page.goto(url, wait_until="load")
    page.screenshot(path=file)
    context.close()


if __name__ == "__main__":
    main()
