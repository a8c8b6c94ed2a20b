"""`python -m verify` as a command: its exit status, its report, and plain words for everything it cannot read."""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from tests.promises import outputs
from tests.unit.commands import called
from tests.unit.toolchain import executable
from verify import report
from verify.__main__ import main
from verify.checks import AT_ONCE, Checks, within
from verify.finding import Finding, Judgement, Part, Subject, Verdict


@pytest.mark.parametrize(
    ("options", "given", "reported"),
    [
        ((), "{", "it is not JSON\n  -> pulumi stack output --json > FILE"),
        (("--outputs", "/nonexistent/x"), "", "/nonexistent/x: No such file or directory\n  -> "),
        (("--ca", "/nonexistent/x"), "right", "--ca /nonexistent/x: No such file or directory\n  -> "),
        (("--ca", "README.md"), "right", "--ca README.md: "),
        (("--source", "198.51.100.1"), "right", "--source 198.51.100.1: Cannot assign requested address\n  -> "),
        (("--source", "here"), "right", "'here' is not an IPv4 or IPv6 address"),
        (("--resolver", "dns.example"), "right", "'dns.example' is not an address with an optional port"),
        (("--resolver", "127.0.0.1:0"), "right", "is not an address with an optional port"),
        (("--resolver", "127.0.0.1:70000"), "right", "is not an address with an optional port"),
        (("--timeout", "0"), "right", "'0' is not a number from 0.1 to 3600"),
        (("--timeout", "nan"), "right", "'nan' is not a number"),
        (("--expect", "100"), "right", "'100' is not a number from 200 to 699"),
        (("--expiry-days", "x"), "right", "'x' is not a number"),
        (("--only", "web"), "right", "--only"),
    ],
)
def test_what_cannot_be_read_is_reported_with_exit_status_2_and_no_traceback(
    options: tuple[str, ...], given: str, reported: str
) -> None:
    text = (
        json.dumps(outputs()) if given == "right" else given.encode(errors="surrogateescape").decode(errors="replace")
    )
    done = called("verify", *options, given=text)
    assert done.returncode == 2
    assert reported in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_bytes_that_are_no_text_are_reported_as_such(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "outputs.json"
    file.write_bytes(b'{"ipInventory": "\xff"}')
    assert main(["--outputs", str(file)]) == 2
    assert capsys.readouterr().err.startswith(f"{file} is not JSON in UTF-8\n  -> ")


def test_a_stack_that_the_engine_does_not_know_is_reported_in_the_engines_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    executable(tmp_path / "pulumi", 'echo "error: no stack named $6" >&2; exit 255')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["--stack", "nowhere"]) == 2
    assert "no stack named" in capsys.readouterr().err


def test_the_stacks_outputs_are_what_the_engine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "outputs.json").write_text(json.dumps(outputs("127.94.255.1", "127.94.255.2", ())))
    executable(tmp_path / "pulumi", f'echo "$@" > {tmp_path}/arguments; cat {tmp_path}/outputs.json')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert main(["--stack", "prod", "--only", "tls", "--json"]) == 3
    reported = json.loads(capsys.readouterr().out)
    assert {each["where"] for each in reported["findings"]} == {"127.94.255.2:5061"}
    assert "stack output --json --stack prod" in (tmp_path / "arguments").read_text()
    assert "--show-secrets" not in (tmp_path / "arguments").read_text()


# The report

SIP_A = Subject(Part.DNS, "sip.ringer.tel A", "ns1", "192.0.2.1")
RIGHT = Judgement(Verdict.HOLDS, "192.0.2.1", milliseconds=12.34)
WRONG = Judgement(Verdict.BROKEN, "192.0.2.9", "put it back", 7)
OLD = Judgement(Verdict.WARNING, "TTL", "wait")


def at(where: str, judgement: Judgement) -> Finding:
    return Finding(Subject(Part.DNS, "sip.ringer.tel A", where, "192.0.2.1"), judgement)


def test_the_json_has_what_is_broken_first_and_every_field_that_is_documented() -> None:
    reported = report.document([at("ns1", RIGHT), at("ns2", OLD), at("ns3", WRONG)], "ringer.tel", 1.23456)
    assert reported == {
        "schema": 1,
        "domain": "ringer.tel",
        "holds": False,
        "seconds": 1.235,
        "counts": {"broken": 1, "warning": 1, "unchecked": 0, "holds": 1},
        "findings": [
            {
                "part": "dns",
                "what": "sip.ringer.tel A",
                "where": "ns3",
                "expected": "192.0.2.1",
                "verdict": "broken",
                "found": "192.0.2.9",
                "remedy": "put it back",
                "milliseconds": 7,
            },
            {
                "part": "dns",
                "what": "sip.ringer.tel A",
                "where": "ns2",
                "expected": "192.0.2.1",
                "verdict": "warning",
                "found": "TTL",
                "remedy": "wait",
            },
            {
                "part": "dns",
                "what": "sip.ringer.tel A",
                "where": "ns1",
                "expected": "192.0.2.1",
                "verdict": "holds",
                "found": "192.0.2.1",
                "milliseconds": 12.3,
            },
        ],
    }


def test_warnings_and_what_was_not_checked_break_nothing_but_nothing_at_all_is_no_promise_kept() -> None:
    assert report.holds([at("ns1", RIGHT), at("ns2", OLD), at("ns3", Judgement(Verdict.UNCHECKED, "x"))])
    assert not report.holds([at("ns1", RIGHT), at("ns2", WRONG)])
    assert not report.holds([])


def test_the_table_begins_with_what_is_broken_and_its_remedy_and_says_once_what_servers_say_alike() -> None:
    console = Console(width=140)
    with console.capture() as capture:
        console.print(report.table([at("ns1", RIGHT), at("ns2", RIGHT), at("ns3", WRONG)], "ringer.tel", 1.0))
    lines = [line for line in capture.get().splitlines() if line.strip()]
    first = next(number for number, line in enumerate(lines) if "broken" in line)
    assert "192.0.2.9" in lines[first]
    assert "-> put it back" in lines[first + 1]
    assert sum("holds" in line for line in lines) == 2, "one row, and the counts below"
    assert "1 broken, 2 holds; 1.0 s" in lines[-1]


def test_text_of_others_is_neither_style_nor_control_in_the_table() -> None:
    evil = "[red]x[/y] \x1b[2J\x9b\u202e [link=http://x]z[/link]"
    subject = Subject(Part.DNS, evil, evil, evil)
    console = Console(width=200, force_terminal=True, color_system=None)
    with console.capture() as capture:
        console.print(report.table([Finding(subject, Judgement(Verdict.BROKEN, evil, evil))], evil, 1.0))
    shown = capture.get()
    assert "[red]x[/y]" in shown
    assert not {"\x9b", "\u202e"} & set(shown)
    assert "\x1b[2J" not in shown


# Bounds


def test_checks_run_at_once_and_what_is_not_finished_in_time_is_reported_as_such() -> None:
    begun: list[int] = []
    checks = Checks()

    async def hang(number: int) -> Judgement:
        begun.append(number)
        await asyncio.sleep(3600)
        return RIGHT

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(checks.check(at("right", RIGHT).subject, _at_once))
            for number in range(100):
                group.create_task(checks.check(at(f"ns{number}", RIGHT).subject, partial(hang, number)))

    began = time.monotonic()
    asyncio.run(within(0.3, work()))
    assert time.monotonic() - began < 10
    findings = checks.findings()
    assert len(findings) == 101
    assert [each.subject.where for each in findings if each.judgement.verdict is Verdict.HOLDS] == ["right"]
    assert {each.judgement.found for each in findings[1:]} == {"no answer in time"}
    assert len(begun) == AT_ONCE == 32


async def _at_once() -> Judgement:
    return RIGHT


def test_one_surprise_takes_no_other_answer_away() -> None:
    checks = Checks()

    async def surprise() -> Judgement:
        raise KeyError("\x1b[2J")

    async def work() -> None:
        await asyncio.gather(checks.check(SIP_A, surprise), checks.check(SIP_A, _at_once))

    asyncio.run(within(5, work()))
    reported = [each.judgement for each in checks.findings()]
    assert [each.verdict for each in reported] == [Verdict.BROKEN, Verdict.HOLDS]
    assert reported[0].found == "its answer could not be judged: KeyError"


def test_progress_shows_how_many_are_done_of_how_many() -> None:
    seen: list[tuple[int, int]] = []
    checks = Checks(lambda done, of: seen.append((done, of)))
    asyncio.run(within(5, _one(checks)))
    assert seen == [(0, 1), (1, 1)]


async def _one(checks: Checks) -> None:
    await checks.check(SIP_A, _at_once)
