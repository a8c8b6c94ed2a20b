"""`python -m inventory site`: a folder that is the site and nothing else, whatever happens meanwhile."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from inventory import folder
from inventory.reading import read
from inventory.site.files import FILES, PDFS
from inventory.site.render import render
from tests.unit.commands import called
from tests.unit.published import EUROPE, LIVE, signed


def site(given: object, *options: str) -> subprocess.CompletedProcess[str]:
    text = given if isinstance(given, str) else json.dumps(signed(given))
    return called("inventory", "site", *options, given=text)


def contents(place: Path) -> dict[str, bytes]:
    return {
        each.relative_to(place).as_posix(): each.read_bytes()
        for each in place.rglob("*")
        if each.is_file() and each.name != folder.MANIFEST
    }


def test_the_command_writes_the_site_of_all_regions(tmp_path: Path) -> None:
    out = tmp_path / "new" / "site"
    done = site({"prod": LIVE, "eu": {"ipInventory": EUROPE}}, "--out", str(out), "--base-url", "https://a.example")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{len(FILES) + len(PDFS)} files; open {out}/index.html\n"
    assert contents(out) == render(read(json.dumps([LIVE, EUROPE])), "https://a.example/", pdf=True)


def test_files_in_any_order_give_the_same_site(tmp_path: Path) -> None:
    files = []
    for name, inventory in (("a.json", LIVE), ("b.json", EUROPE)):
        (tmp_path / name).write_text(json.dumps(inventory))
        files.append(str(tmp_path / name))
    for out, order in (("one", files), ("other", files[::-1])):
        assert site("", *order, "--out", str(tmp_path / out)).returncode == 0
    assert contents(tmp_path / "one") == contents(tmp_path / "other")


def test_what_is_no_longer_rendered_is_gone_and_nothing_is_left_beside(tmp_path: Path) -> None:
    folder.replace(tmp_path / "site", {"old/file.txt": b"old", "index.html": b"old"})
    assert site(LIVE, "--out", str(tmp_path / "site")).returncode == 0
    assert set(contents(tmp_path / "site")) == {*FILES, *PDFS}
    assert [each.name for each in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("stranger", ["holiday.jpg", "formats/mine.txt"])
def test_a_folder_with_another_file_is_refused_and_left_alone(tmp_path: Path, stranger: str) -> None:
    out = tmp_path / "site"
    assert site(LIVE, "--out", str(out)).returncode == 0
    (out / stranger).write_text("precious")
    before = contents(out)
    done = site(EUROPE, "--out", str(out))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"{out} has {stranger}, which is not a file of a site\n  -> choose a new or empty folder with --out\n"
    )
    assert contents(out) == before


def test_a_folder_that_was_never_a_site_is_refused(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("somebody's page")
    done = site(LIVE, "--out", str(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "has index.html, which is not a file of a site" in done.stderr
    assert (tmp_path / "index.html").read_text() == "somebody's page"


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "site").write_text("a file")
    done = site(LIVE, "--out", str(tmp_path / "site"))
    assert (done.returncode, done.stderr.splitlines()[0]) == (2, f"{tmp_path}/site is a file")
    done = site(LIVE, "--out", str(tmp_path / "site" / "below"))
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("moment", ["while it writes", "between the two renames"])
def test_a_crash_leaves_a_whole_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    out = tmp_path / "site"
    old = {"index.html": b"old", "feed.xml": b"old"}
    folder.replace(out, old)

    written = 0
    write, rename = folder._write, Path.rename

    def full_disk(file: Path, content: bytes) -> None:
        nonlocal written
        written += 1
        if written == 2:
            raise OSError(28, "No space left on device")
        write(file, content)

    def no_rename(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(5, "Input/output error")
        return rename(self, target)

    if moment == "while it writes":
        monkeypatch.setattr(folder, "_write", full_disk)
    else:
        monkeypatch.setattr(Path, "rename", no_rename)
    with pytest.raises(OSError):
        folder.replace(out, {"index.html": b"new", "feed.xml": b"new"})
    monkeypatch.undo()
    assert contents(out) == old
    assert [each.name for each in tmp_path.iterdir()] == ["site"]
    folder.replace(out, {"index.html": b"new"})
    assert contents(out) == {"index.html": b"new"}


@pytest.mark.parametrize(
    "url",
    ["ips.example.com", "ftp://ips.example.com", "https://", "https://a.example/?x", 'https://a"b/', "https://a b/"],
)
def test_a_base_url_that_is_none_is_refused(tmp_path: Path, url: str) -> None:
    done = site(LIVE, "--out", str(tmp_path / "site"), "--base-url", url)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (f"--base-url {url!r} is not a site's URL\n  -> write it as https://ips.example.com/\n")
    assert not (tmp_path / "site").exists()


def test_input_that_is_no_inventory_is_refused_with_this_commands_remedy(tmp_path: Path) -> None:
    done = site("{", "--out", str(tmp_path / "site"))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "standard input is not an ipInventory of schema 1\n"
        "  -> pulumi stack output ipInventory --json | python -m inventory site\n"
    )


def test_two_inventories_of_one_edge_are_refused(tmp_path: Path) -> None:
    done = site([LIVE, LIVE | {"region": "elsewhere"}], "--out", str(tmp_path / "site"))
    assert done.returncode == 2
    assert "one of them is outdated" in done.stderr
