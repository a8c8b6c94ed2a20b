"""The rendered site on loopback, and Debian's Chromium to look at it."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, sync_playwright

from inventory import folder
from inventory.site.files import content_type
from tests.site.inventories import EVERYTHING, rendered
from tests.unit.published import CROWD, EUROPE

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
CHROMIUM = Path("/usr/bin/chromium")


class _Handler(SimpleHTTPRequestHandler):
    def guess_type(self, path: Any) -> str:
        """As the bucket has it."""
        return content_type(Path(path).relative_to(self.directory).as_posix())

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


@contextmanager
def served(directory: Path) -> Iterator[str]:
    """The address of a folder, with a slash at the end."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(_Handler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def chromium() -> Iterator[Browser]:
    """Headless, and never one that Playwright would download."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM)
        try:
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"{CHROMIUM} is missing: apt-get install --no-install-recommends chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Two regions with an address in every state."""
    directory = tmp_path_factory.mktemp("site") / "site"
    folder.replace(directory, rendered(*EVERYTHING))
    with served(directory) as address:
        yield address


@pytest.fixture(params=SCHEMES)
def scheme(request: pytest.FixtureRequest) -> Scheme:
    found: Scheme = request.param
    return found


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A hundred and more addresses, long names, full IPv6 addresses."""
    directory = tmp_path_factory.mktemp("crowd") / "site"
    folder.replace(directory, rendered(CROWD, EUROPE))
    with served(directory) as address:
        yield address
