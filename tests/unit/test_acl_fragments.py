"""What every decision of the fragments goes through: nothing that is slow in Kamailio 5.6's script is there."""

from __future__ import annotations

import re

import pytest

from kamailio import TLS_FRAGMENTS, fragments
from secret_text import hidden

DECIDING = ("IP_AUTH", "WARP_NAME", "WARP_KEY", "WARP_LOOKUP", "WARP_REJECT", "WARP_NO_TABLE")
# As measured with 5.6.3 (kamailio/ip_auth.cfg): each of these takes 5 to 7 us, a whole decision without them 9.
SLOW = {
    "a regular expression": r"[=!]~",
    "arithmetic, or texts put together": r"[)\w\"] [-+*/%] [$\"\w]",
    "a comparison of texts": r"[=!]= ?\"",
}


@pytest.mark.parametrize("table", ["table_mtree.cfg", "table_permissions.cfg"])
@pytest.mark.parametrize("slow", SLOW)
def test_no_decision_goes_through_what_is_slow(table: str, slow: str) -> None:
    text = fragments()["ip_auth.cfg"] + fragments()[table]
    routes = dict(re.findall(r"^route\[(\w+)\] \{\n(.*?)^\}", text, re.MULTILINE | re.DOTALL))
    assert set(DECIDING) <= set(routes)
    for name in DECIDING:
        for line in routes[name].splitlines():
            if not line.strip().startswith(("#", "xlog(")):  # a line of the log comes once a second
                assert not re.search(SLOW[slow], line), f"route {name}: {line.strip()}"


def test_no_file_of_the_config_map_reads_like_a_secret() -> None:
    """The policy `no-plaintext-secret` would refuse the stack."""
    for name, text in (fragments() | fragments(TLS_FRAGMENTS)).items():
        assert hidden(text) == text, name
