"""The list for FreeSWITCH, loaded as its head says, by a model of FreeSWITCH's preprocessor."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

from tests.unit.published import address
from tests.unit.test_devices import ANYBODY, FIRST, SECOND, accepted, inventory
from tests.unit.test_formats import render


def preprocessed(file: Path, depth: int = 0) -> str:
    """As FreeSWITCH does it (src/switch_xml.c, `preprocess`): line by line before the XML is parsed, so in comments
    too; <include> is dropped; paths are relative to the file; 100 levels at most."""
    assert depth <= 2, f"{file} includes itself"
    found = []
    for line in file.read_text().splitlines():
        if re.search("</?include>", line):
            continue
        before, tag, rest = line.partition("X-PRE-PROCESS")
        if not tag:
            found.append(line)
        elif before.endswith("<"):
            included = re.search(r'cmd="include" data="([^"]+)"', rest)
            assert included
            found += [preprocessed(each, depth + 1) for each in sorted(file.parent.glob(included[1]))]
    return "\n".join(found)


def test_freeswitch_finds_the_lists_among_its_own(tmp_path: Path) -> None:
    """Included as the head says, with the other lists beside it."""
    (tmp_path / "acl").mkdir()
    (tmp_path / "autoload_configs").mkdir()
    config = tmp_path / "autoload_configs" / "acl.conf.xml"
    for document in (FIRST, SECOND):
        elements = []
        for to in ANYBODY:
            text = render("freeswitch", document, to=to)
            assert f"Replace conf/acl/warp-{to.label}.xml by this file" in text
            (tmp_path / "acl" / f"warp-{to.label}.xml").write_text(text)
            elements += re.findall(r"in angle brackets: (X-PRE-PROCESS .*/)$", text, re.MULTILINE)
        (first,) = set(elements)
        own = '<list name="lan.auto" default="deny"><node type="allow" cidr="203.0.113.90/32"/></list>'
        config.write_text(
            f'<configuration name="acl.conf"><network-lists>{own}\n<{first}>\n</network-lists></configuration>'
        )
        (lists,) = ElementTree.fromstring(preprocessed(config))
        found = {each.get("name"): {str(n.get("cidr")).partition("/")[0] for n in each} for each in lists}
        assert found == {"lan.auto": {"203.0.113.90"}} | {f"warp-{to.label}": accepted(to, document) for to in ANYBODY}


def test_freeswitch_loses_no_address_to_its_purpose(tmp_path: Path) -> None:
    file = tmp_path / "list.xml"
    for purpose in ("X-PRE-PROCESS", "<x-pre-process/>", "<include>", "-->"):
        file.write_text(render("freeswitch", inventory(address("one", "198.51.100.1", purpose=purpose))))
        assert [node.get("cidr") for node in ElementTree.fromstring(preprocessed(file))] == ["198.51.100.1/32"]
