"""Trunk files: what is read from them, and what is said about one that is wrong, with file, line, BAN and reason."""

from __future__ import annotations

import errno
import os
import time
import unicodedata
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as some

from benchmarks.trunk_texts import trunks
from components.trunk_acl import places
from components.trunk_acl.trunk_files import Problem, TrunkFiles, TrunkFilesError, read
from settings.trunk_acl import Limits
from tests.cases import cases

# Global addresses: no limit is in the way.
GOOD = """\
- ban: "100234"
  trunk: acme-nyc
  callsPerSecond: 50
  concurrentCalls: 500
  ranges:
    - 34.1.0.0/24
    - {range: 34.1.1.0/24, active: false}
    - 34.1.2.7
- ban: A-7.x
  trunk: b
  auth: BOTH
  callsPerSecond: 1
  concurrentCalls: 1
  active: false
  ranges: ["2600:1900::/48"]
"""


def write(folder: Path, **files: str | bytes) -> Path:
    place = folder / "trunks"
    place.mkdir(exist_ok=True)
    for name, content in files.items():
        (place / f"{name}.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    return place


def item(ban: str = '"100234"', trunk: str = "main", ranges: str = "[34.1.0.0/24]", more: str = "") -> str:
    """Five lines, or more."""
    return f"- ban: {ban}\n  trunk: {trunk}\n  callsPerSecond: 5\n  concurrentCalls: 50\n  ranges: {ranges}\n{more}"


def refused(folder: Path, limits: Limits | None = None, **files: str | bytes) -> tuple[Problem, ...]:
    with pytest.raises(TrunkFilesError) as failed:
        read(write(folder, **files), limits or Limits())
    return failed.value.problems


def one(folder: Path, content: str | bytes, limits: Limits | None = None) -> tuple[int, str, str]:
    """Line, BAN and reason of the only problem."""
    (problem,) = refused(folder, limits, a=content)
    assert problem.file == "trunks/a.yaml"
    return problem.line, problem.ban, problem.reason


# --- what is read -----------------------------------------------------------------------------------------------------


def test_a_file_is_read_with_its_defaults_and_its_places(tmp_path: Path) -> None:
    assert read(write(tmp_path, acme=GOOD), Limits()) == TrunkFiles(
        customers={
            "100234": "acme-nyc IP_ACL 50 calls/s 500 calls\n  34.1.0.0/24\n  34.1.1.0/24 off\n  34.1.2.7/32",
            "A-7.x": "b BOTH 1 calls/s 1 calls off\n  2600:1900::/48",
        },
        places={
            "100234": "trunks/acme.yaml:1",
            "100234 acme-nyc": "trunks/acme.yaml:1\t6-8",
            "A-7.x": "trunks/acme.yaml:9",
            "A-7.x b": "trunks/acme.yaml:9\t15",
        },
    )


def test_a_customer_s_trunks_may_stand_in_several_files(tmp_path: Path) -> None:
    folder = write(tmp_path, b=item(trunk="two", ranges="[34.2.0.0/24]"), a=item(), none="# nothing yet\n[]\n")
    (folder / "c.yml").write_text(item(ban="B", ranges="[34.3.0.0/24]"), encoding="utf-8")
    files = read(folder, Limits())
    assert list(files.customers) == ["100234", "B"]
    assert [(each.name, each.ban) for each in trunks(files.customers)] == [
        ("main", "100234"),
        ("two", "100234"),
        ("main", "B"),
    ]
    assert files.places == {
        "100234": "trunks/a.yaml:1",
        "100234 main": "trunks/a.yaml:1\t5",
        "100234 two": "trunks/b.yaml:1\t5",
        "B": "trunks/c.yml:1",
        "B main": "trunks/c.yml:1\t5",
    }


def test_the_place_of_every_range_is_found_again_from_what_the_database_is_given(tmp_path: Path) -> None:
    scattered = "\n    - 34.1.9.0/24\n    - 34.1.1.0/24\n    - 34.1.2.0/24\n\n    - [34.1.3.0/24]\n    - 34.1.4.0/24"
    flow = item(ban="B", ranges='["2600:1900::/48", 34.2.0.0/24]')
    given = {"a file": item(ranges=scattered.replace("[34.1.3.0/24]", "34.1.3.0/24")), "b": flow}
    folder = write(tmp_path, **given)
    files = read(folder, Limits())
    wanted = trunks(files.customers)
    for trunk in wanted:
        for entry in trunk.entries:
            file, _, line = places.of_range(files.places, files.customers, entry.range).rpartition(":")
            text = (tmp_path / file).read_text(encoding="utf-8").split("\n")[int(line) - 1]
            assert str(entry.range) in text
    assert places.of_range(files.places, files.customers, ip_network("34.7.0.0/24")) == ""
    assert places.of_trunk(files.places, "B", "other") == places.of_trunk(files.places, "B") == "trunks/b.yaml:1"


def test_a_list_without_trunks_is_a_customer_list_with_nobody_in_it(tmp_path: Path) -> None:
    assert read(write(tmp_path, none="[]\n"), Limits()) == TrunkFiles({}, {})


# --- everything in the folder counts or is refused by name ------------------------------------------------------------


@pytest.mark.parametrize("name", ["b.yaml", "b.yml", "B.YAML", "b.YML", "b.Yaml", "b.off.yaml", "b c.yaml", "100.yaml"])
def test_what_counts_whatever_the_case_of_its_ending(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path)
    (folder / name).write_text(item(), encoding="utf-8")
    assert read(folder, Limits()).places["100234"] == f"trunks/{name}:1"


@pytest.mark.parametrize("name", ["README.md", "notes.MD", ".gitkeep", ".gitignore"])
def test_what_belongs_to_the_folder_is_passed_over(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path, a=item(ranges="[34.2.0.0/24]"))
    (folder / name).write_text(item(), encoding="utf-8")
    assert read(folder, Limits()).places["100234"] == "trunks/a.yaml:1"


DOTS, PARKED = "begins with a dot, as files of editors and systems do", "neither *.yaml nor *.yml: it would count for"
NO_TRUNK_FILES = {
    ".#b.yaml": DOTS, "._b.yaml": DOTS, ".b.yaml": DOTS, ".b.yaml.swp": DOTS, ".DS_Store": DOTS, ".yaml": DOTS,
    ".notes.md": DOTS,
    "b.yaml.off": PARKED, "b.yaml~": PARKED, "b.yaml.bak": PARKED, "#b.yaml#": PARKED, "b.yam": PARKED, "byaml": PARKED,
    "b.yaml ": PARKED, "b.json": PARKED, "Thumbs.db": PARKED, "b.yaml.orig": PARKED, "md": PARKED,
}  # fmt: skip


@pytest.mark.parametrize("name", NO_TRUNK_FILES)
@pytest.mark.parametrize("content", [item(ranges="[34.2.0.0/24]"), ""], ids=["trunks", "empty"])
def test_a_file_that_would_count_for_nothing_is_refused_by_its_name(tmp_path: Path, name: str, content: str) -> None:
    folder = write(tmp_path, a=item())
    (folder / name).write_text(content, encoding="utf-8")
    (problem,) = refused(tmp_path)
    assert (problem.file, problem.line) == (f"trunks/{name}", 0)
    assert problem.reason.startswith(NO_TRUNK_FILES[name])
    assert str(problem).startswith(f"  trunks/{name}: ")


def test_links_folders_and_devices_are_refused_by_name_and_not_opened(tmp_path: Path) -> None:
    folder = write(tmp_path, a=item())
    (tmp_path / "elsewhere.yaml").write_text(item(ranges="[34.2.0.0/24]"), encoding="utf-8")
    (folder / "link.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    (folder / "nowhere.yaml").symlink_to(tmp_path / "nowhere")
    (folder / "shelf").symlink_to(tmp_path)
    (folder / "more").mkdir()
    (folder / "more.yaml").mkdir()
    os.mkfifo(folder / "pipe.yaml")  # whoever opens it, waits
    link = "a link, and what it leads to can change without a review"
    told = {each.file.removeprefix("trunks/"): each.reason.partition(";")[0] for each in refused(tmp_path)}
    assert told == {
        "link.yaml": link,
        "nowhere.yaml": link,
        "shelf": link,
        "more": "a folder, and folders in this one are not read",
        "more.yaml": "a folder, and folders in this one are not read",
        "pipe.yaml": "not a regular file",
    }


def test_an_empty_folder_and_an_empty_file_are_refused_and_not_taken_for_the_end_of_all_customers(
    tmp_path: Path,
) -> None:
    (problem,) = refused(tmp_path)
    assert str(problem) == "  trunks/: no trunk file in it; as long as there is no customer, add a file with `[]`"
    (tmp_path / "trunks" / "README.md").touch()
    assert refused(tmp_path) == (problem,)
    for content in ("", "\n", "# nothing yet\n"):
        assert one(tmp_path, content) == (1, "", "empty: its customers would be removed; write `[]` if there are none")


@pytest.mark.parametrize("name", [b"a\n\x1b[31m.yaml.off", b"\xff.yaml", "\u202elmay.yaml~".encode()])
def test_no_name_of_a_file_breaks_the_message(tmp_path: Path, name: bytes) -> None:
    folder = write(tmp_path, a=item())
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_text(item(), encoding="utf-8")
    for problem in refused(tmp_path):
        assert str(problem).isprintable()
        assert str(problem).encode()


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrunkFilesError, match=r"no such folder; trunkAcl\.trunks names it"):
        read(tmp_path / "nowhere", Limits())


def test_nested_ranges_of_one_customer_are_fine(tmp_path: Path) -> None:
    read(write(tmp_path, a=item(ranges="[34.1.0.0/20, 34.1.2.0/24, 34.1.2.3]")), Limits())


# --- hostile YAML -----------------------------------------------------------------------------------------------------

HOSTILE: dict[str, tuple[str | bytes, tuple[int, str, str]]] = {
    "a number for a BAN": (item(ban="100234"), (1, "100234", "ban: 100234 is no text to YAML; put it in quotes")),
    "digits with an underscore": (item(ban="1_000"), (1, "", "'1_000' is read as int by YAML; put a name in quotes")),
    "an octal number": (item().replace(": 50\n", ": 050\n"), (4, "", "'050' is read as int by YAML")),
    "a date": (item(trunk="2024-01-01"), (2, "", "'2024-01-01' is read as timestamp by YAML")),
    "base 60": (item(trunk="1:30"), (2, "", "'1:30' is read as int by YAML")),
    "yes": (item(more="  active: yes\n"), (6, "", "'yes' is read as bool by YAML")),
    "a float": (item().replace(": 50\n", ": 5.0\n"), (4, "", "'5.0' is read as float by YAML")),
    "infinity": (item().replace(": 50\n", ": .inf\n"), (4, "", "'.inf' is read as float by YAML")),
    "a key twice": (item(more='  ban: "9"\n'), (6, "", "'ban' is given twice")),
    "an alias": (
        item(ranges="&a [34.1.0.0/24]") + item(trunk="u", ranges="*a"),
        (10, "", "an alias; write the value out"),
    ),
    "an alias of itself": ("- &a [*a]\n", (1, "", "an alias; write the value out")),
    "an alias for a key": ('- &k ban: "1"\n  *k : x\n', (2, "", "an alias; write the value out")),
    "a tag": (item(ban='!!python/object/apply:os.system ["id"]'), (1, "", "a tag, 'tag:yaml.org,2002:python/object")),
    "a tag on a trunk": (item().replace("- ban", "- !!python/object:x.Y\n  ban"), (1, "", "a tag, ")),
    "a merge": (item(more="  <<: {active: false}\n"), (6, "100234", "'<<': no such setting")),
    "deep nesting": ("- " + "[" * 1000 + "]" * 1000, (1, "", "nested too deeply for a trunk")),
    "nesting without an end": ("[" * 200_000, (1, "", "nested too deeply for a trunk")),
    "a key that is a list": (item(more="  ? [a]\n  : 1\n"), (6, "", "a key must be a word")),
    "two documents": (item() + "---\n" + item(), (6, "", "not YAML: but found another document")),
    "no list": ("ban: x\n", (1, "", "not a list; write one `- ban: ...` per trunk")),
    "a word": ("nothing", (1, "", "not a list; write one `- ban: ...` per trunk")),
    "an unclosed bracket": ("- [a\n", (2, "", "not YAML: ")),
    "a tabulator": (item().replace("  trunk", "\ttrunk"), (2, "", "not YAML: ")),
    "bad UTF-8": (b'- ban: "\xff"\n', (1, "", "not YAML: plain text in UTF-8 is needed")),
    "UTF-16": (item().encode("utf-16"), (1, "", "not YAML: plain text in UTF-8 is needed")),
    "a zero byte": (item() + "\0", (1, "", "not YAML: not plain text in UTF-8")),
    "a null": (item(ranges=""), (5, "100234", "ranges: ")),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_yaml_is_refused_with_its_line_and_its_reason(tmp_path: Path, case: str) -> None:
    content, (line, ban, words) = HOSTILE[case]
    found = one(tmp_path, content)
    assert found[:2] == (line, ban)
    assert found[2].startswith(words)


def test_a_billion_laughs_are_not_laughed(tmp_path: Path) -> None:
    levels = "".join(
        f"- &{after} [{', '.join([f'*{before}'] * 10)}]\n"
        for before, after in zip("abcdefghi", "bcdefghij", strict=True)
    )
    began = time.process_time()
    assert one(tmp_path, f"- &a [{', '.join('x' * 10)}]\n{levels}")[0] == 2
    assert time.process_time() - began < 5, "10^10 elements are not made"


def test_a_file_that_cannot_be_read_is_a_problem_of_that_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (write(tmp_path) / "a.yaml").write_text(item(), encoding="utf-8")

    def unreadable(_: Path, **__: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", unreadable)
        problems = refused(tmp_path)
    assert [(each.file, each.reason) for each in problems] == [("trunks/a.yaml", "cannot be read: Permission denied")]


def test_no_value_breaks_the_message_into_more_lines(tmp_path: Path) -> None:
    (problem,) = refused(tmp_path, a=item(ban=r'"1\n  trunks/b.yaml:1: BAN 2\e[31m"'))
    assert not any(unicodedata.category(character) in ("Cc", "Cf") for character in str(problem))


@cases(100, least=100)
@given(some.text(some.characters(codec="utf-8"), max_size=60))
def test_any_text_at_all_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = write(tmp_path_factory.mktemp("any"), a=text)
    try:
        read(folder, Limits())
    except TrunkFilesError as error:
        assert error.problems


bits = some.sampled_from(
    [
        *("- ", "ban: ", '"1"', "trunk: ", "t", "callsPerSecond: 1", "concurrentCalls: 1", "ranges: ", "[34.1.0.0/24]"),
        *("\n  ", "\n", "{", "}", "[", "]", "? ", ": ", "*a", "&a ", "!t ", "- - ", "'", "#", "| \n", "34.0.0.0/8"),
        *("null", "%YAML 9\n---\n", "2600::%64", '"', "<<: "),
    ]
)


@cases(100, least=100)
@given(some.lists(bits, max_size=25).map("".join))
def test_any_heap_of_yaml_is_read_or_refused_in_words(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = write(tmp_path_factory.mktemp("any"), a=text)
    try:
        read(folder, Limits())
    except TrunkFilesError as error:
        assert all(problem.line >= 1 and problem.reason for problem in error.problems)


# --- wrong values -----------------------------------------------------------------------------------------------------

WRONG = {
    "host bits": (
        item(ranges="[34.1.0.1/24]"),
        5,
        "ranges[0].range: '34.1.0.1/24' is not a range: it has host bits set",
    ),
    "no range": (item(ranges="[34.1.0.0/33]"), 5, "ranges[0].range: '34.1.0.0/33' is not a range"),
    "an interface that looks like a length": (
        item(ranges='["2600::%64"]'),
        5,
        "ranges[0].range: '2600::%64' is not a range",
    ),
    "an interface": (item(ranges='["2600::1%eth0"]'), 5, "ranges[0].range: '2600::1%eth0' is not a range"),
    "a name": (item(ranges="[sip.example.com]"), 5, "ranges[0].range: 'sip.example.com' is not a range"),
    "an unknown key": (item(more="  cps: 7\n"), 6, "cps: no such setting"),
    "a trunk's name": (item(trunk="Acme NYC"), 2, "trunk: not a valid name here"),
    "zero calls": (item().replace("Second: 5", "Second: 0"), 3, "callsPerSecond: too small"),
    "less than none": (item().replace("Calls: 50", "Calls: -1"), 4, "concurrentCalls: too small"),
    "more than an integer": (item().replace("Calls: 50", "Calls: 10000001"), 4, "concurrentCalls: too large"),
    "an unknown auth": (
        item(more="  auth: NONE\n"),
        6,
        "auth: not one of the known values; use IP_ACL, DIGEST or BOTH",
    ),
    "a pipe in a name": (item(trunk='"a|b"'), 2, "trunk: not a valid name here"),
    "quotes round a number": (item().replace("Second: 5", 'Second: "5"'), 3, "callsPerSecond: not a whole number"),
    "too wide": (item(ranges="[34.1.0.0/19]"), 5, "34.1.0.0/19 is wider than /20; the limits are trunkAcl.limits"),
    "too wide in IPv6": (
        item(ranges='["2600:1900::/39"]'),
        5,
        "2600:1900::/39 is wider than /40; the limits are trunkAcl.limits",
    ),
    "everything": (item(ranges="[0.0.0.0/0]"), 5, "0.0.0.0/0 is wider than /20"),
    "private": (
        item(ranges="[10.1.0.0/24]"),
        5,
        "10.1.0.0/24 is in 10.0.0.0/8, reserved: private use (RFC 1918); the limits are trunkAcl.limits",
    ),
    "multicast": (item(ranges="[224.0.1.0/24]"), 5, "224.0.1.0/24 is in 224.0.0.0/4, reserved: multicast (RFC 5771)"),
    "loopback": (item(ranges="[127.0.0.1]"), 5, "127.0.0.1/32 is in 127.0.0.0/8, reserved: loopback (RFC 1122)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_value_is_reported_with_line_ban_and_reason(tmp_path: Path, case: str) -> None:
    content, line, words = WRONG[case]
    found = one(tmp_path, content)
    assert found[:2] == (line, "100234")
    assert found[2].startswith(words)


LONG = "2600:1f18:1:1::"
UNQUOTED = {
    "a block": (f"\n    - {LONG}", 6, LONG),
    "a short one": ("\n    - 2600::", 6, "2600::"),
    "nothing but colons": ("\n    - ::", 6, "::"),
    "before a comment": (f"\n    - {LONG}  # NAT64", 6, LONG),
    "with a key below": (f"\n    - {LONG}\n      active: false", 6, LONG),
    "in brackets": (f"[34.1.0.0/24, {LONG}]", 5, LONG),
    "in braces": (f"\n    - {{range: {LONG}, active: false}}", 6, LONG),
    "a key's": (f"\n    - range: {LONG}", 6, LONG),
}


@pytest.mark.parametrize("case", UNQUOTED)
def test_an_address_that_yaml_takes_for_a_mapping_belongs_in_quotes(tmp_path: Path, case: str) -> None:
    ranges, line, address = UNQUOTED[case]
    found = one(tmp_path, item(ranges=ranges))
    assert found[0] == line
    assert f"'{address}' ends in a colon, which YAML takes for a key; put it in quotes" in found[2]


def test_each_line_of_a_list_is_told_by_its_own_number(tmp_path: Path) -> None:
    content = item(ranges="\n    - 34.1.0.0/24\n    - 10.0.0.0/24\n    - {range: 34.0.0.0/8}\n    - x")
    assert [(each.line, each.reason.split(" ")[0]) for each in refused(tmp_path, a=content.replace("    - x", ""))] == [
        (7, "10.0.0.0/24"), (8, "34.0.0.0/8"),
    ]  # fmt: skip


def test_limits_and_allowed_ranges_are_settings(tmp_path: Path) -> None:
    limits = Limits.model_validate({"widestIpv4": 16, "widestIpv6": 32, "allowReserved": ("127.0.0.0/8", "::1/128")})
    read(write(tmp_path, a=item(ranges='[34.1.0.0/16, 127.0.1.0/24, "::1"]')), limits)
    assert one(tmp_path, item(ranges="[10.0.0.0/16]"), limits)[2].startswith("10.0.0.0/16 is in 10.0.0.0/8")
