"""`python -m tests.alerts_picture`: the picture of the dashboard in docs/alerts.md.

The dashboard's own queries, asked of the sandbox's Prometheus while scenarios are played, and drawn as lines. Panels
that read Google's metrics are not in it: only Google has those.
"""

from __future__ import annotations

import html
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from playwright.sync_api import ViewportSize

from alerts.dashboard import PANELS, Panel
from alerts.definition import scaled
from alerts.metrics import METRICS, Exporter, named
from sandbox.alert_edge import FACTOR, VALUES, AlertEdge
from sandbox.alerts import SCENARIOS, play
from sandbox.sip_probe import options
from tests.site.conftest import chromium
from tests.stacks import ROOT

PICTURE = ROOT / "docs" / "alerts.png"
PLAYED = ("SipProbeFailed", "UnauthorisedAttempts", "TrunkLimitHit", "AclStale", "NoReloader", "CertificateNearEnd")
WIDTH, HEIGHT, COLOURS = 560, 150, ("#1a73e8", "#d93025", "#188038", "#e37400", "#9334e6", "#5f6368")


def drawn(panel: Panel, answers: Mapping[str, list[dict[str, Any]]], begin: float, end: float) -> str:
    """One chart as SVG. `answers`: legend to what Prometheus answers for its query."""
    lines = [
        (", ".join(each["metric"].values()) or legend, [(float(at), float(value)) for at, value in each["values"]])
        for legend, found in answers.items()
        for each in found
    ]
    top = max((value for _, points in lines for _, value in points), default=1) or 1
    shapes, words = [], []
    for (name, points), colour in zip(lines, COLOURS, strict=False):
        places = [
            f"{40 + (at - begin) / (end - begin) * (WIDTH - 50):.1f},{HEIGHT - 8 - value / top * (HEIGHT - 20):.1f}"
            for at, value in points
        ]
        shapes.append(f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>')
        words.append(f'<span style="color:{colour}">{html.escape(name)}</span>')
    axis = f'<text x="2" y="16">{top:g}</text><text x="2" y="{HEIGHT - 8}">0</text>'
    chart = f'<svg width="{WIDTH}" height="{HEIGHT}">{axis}{"".join(shapes)}</svg>'
    return f"<figure><h2>{html.escape(panel.title)}</h2>{chart}<p>{' · '.join(words)}</p></figure>"


def main() -> None:
    shown = [
        each
        for each in PANELS
        if not any(METRICS[name].exporter is Exporter.GOOGLE for query in each.series.values() for name in named(query))
    ]
    with tempfile.TemporaryDirectory(prefix="warp-alerts-") as folder:
        Path(folder).chmod(0o755)
        with AlertEdge(Path(folder) / "edge", f"127.99.{os.getpid() % 250}").running() as edge:
            over = threading.Event()

            def calls() -> None:
                while not over.wait(0.2):
                    options(edge.proxy.udp_address, source=edge.customer)

            threading.Thread(target=calls, daemon=True).start()
            begin = time.time()
            for name in PLAYED:
                play(edge, next(each for each in SCENARIOS if each.alert == name))
            over.set()
            end = time.time()
            asked = {"start": str(begin), "end": str(end), "step": "1"}
            charts = [
                drawn(
                    panel,
                    {
                        legend: edge.ask("query_range", query=scaled(query, FACTOR), **asked)["result"]
                        for legend, query in panel.filled(VALUES).items()
                    },
                    begin,
                    end,
                )
                for panel in shown
            ]
    style = (
        "body{font:13px sans-serif;margin:12px;display:grid;grid-template-columns:1fr 1fr;gap:12px;background:#f1f3f4}"
        "figure{margin:0;padding:8px 12px;background:#fff;border-radius:6px}h2{font-size:14px;margin:0 0 4px}"
        "p{margin:2px 0;font-size:11px}svg{background:#fafafa}text{font-size:10px;fill:#5f6368}"
    )
    with chromium() as browser:
        page = browser.new_page(viewport=ViewportSize(width=1220, height=400))
        page.set_content(f"<style>{style}</style>{''.join(charts)}")
        page.screenshot(path=PICTURE, full_page=True)
    print(f"{PICTURE.relative_to(ROOT)}: {PICTURE.stat().st_size // 1024} kB")


if __name__ == "__main__":
    main()
