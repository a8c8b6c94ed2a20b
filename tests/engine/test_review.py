"""The kept previews do not rot: made anew by the engine of today, they give the reports that are kept.

`python -m tests.review_goldens` makes all of them; here are the ones with most in them, in both forms.
"""

from __future__ import annotations

import pytest

from tests.engine.conftest import Stack
from tests.review_goldens import FOLDER, SCENARIOS, page, preview, same_everywhere


@pytest.mark.parametrize("name", ["announce-object", "ingress-moved", "refused-by-policy"])
def test_a_preview_of_today_gives_the_report_that_is_kept(edge: Stack, name: str) -> None:
    today = page(preview(edge, SCENARIOS[name]))
    assert same_everywhere(today) == same_everywhere((FOLDER / f"{name}.md").read_text())
