"""Calls by sipp: one INVITE with its ACK and BYE, or one OPTIONS, and what the answer must be."""

from __future__ import annotations

import subprocess
from pathlib import Path

CALLED = "sip:probe@[remote_ip]:[remote_port];transport=[transport]"
HEAD = """{method} sip:probe@[remote_ip]:[remote_port];transport=[transport] SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
      From: <sip:probe@[local_ip]>;tag=[call_number]
      To: <sip:probe@[remote_ip]>{tag}
      Call-ID: [call_id]
      CSeq: {number} {method}
      Contact: <sip:probe@[local_ip]:[local_port]>
      Max-Forwards: 70
      Content-Length: 0
"""


def _send(method: str, number: int, tag: str = "", more: str = "") -> str:
    text = HEAD.format(method=method, number=number, tag=tag)
    return f"<send{more}><![CDATA[\n      {text}\n    ]]></send>\n"


def _receive(status: int, headers: dict[str, str]) -> str:
    checks = "".join(
        f'<ereg regexp="^ *{value}$" search_in="hdr" header="{name}:" check_it="true" assign_to="{place}"/>'
        for place, (name, value) in enumerate(headers.items(), start=1)
    )
    used = "".join(f'<log message="[${place}]"/>' for place in range(1, len(headers) + 1))
    return f'<recv response="{status}"><action>{checks}{used}</action></recv>\n'


def scenario(method: str, status: int, headers: dict[str, str]) -> str:
    steps = _send(method, 1, more=' retrans="500"') + _receive(status, headers)
    if method == "INVITE":
        steps += _send("ACK", 1, "[peer_tag_param]")
        if status == 200:
            steps += _send("BYE", 2, "[peer_tag_param]", ' retrans="500"') + _receive(200, headers)
    return f'<?xml version="1.0"?><scenario name="{method} {status}">\n{steps}</scenario>\n'


def call(
    folder: Path, place: tuple[str, int], transport: str, source: str, method: str, status: int, headers: dict[str, str]
) -> None:
    """One call; fails with what sipp saw when the answer is another one."""
    file = folder / "scenario.xml"
    file.write_text(scenario(method, status, headers))
    address, port = place
    command = ["sipp", "-sf", str(file), "-i", source, "-t", {"udp": "u1", "tcp": "t1"}[transport], "-m", "1"]
    command += ["-timeout", "10s", "-timeout_error", "-nostdin", "-trace_err", "-error_file", str(folder / "errors")]
    done = subprocess.run(
        [*command, f"{address}:{port}"], cwd=folder, capture_output=True, text=True, timeout=30, check=False
    )
    errors = (folder / "errors").read_text() if (folder / "errors").exists() else done.stderr
    assert done.returncode == 0, (
        f"sipp from {source}: {method} was not answered with {status} {headers}: {errors[:600]}"
    )


def calls_at_a_rate(folder: Path, place: tuple[str, int], source: str, rate: int, calls: int) -> None:
    """So many calls over UDP, so many a second, each let in (200, ACK, BYE) or refused (503, ACK). Fails for any other
    answer."""
    steps = _send("INVITE", 1, more=' retrans="500"') + '<recv response="100" optional="true"/>\n'
    steps += '<recv response="503" optional="true" next="refused"/>\n<recv response="200" rrs="true"/>\n'
    steps += _send("ACK", 1, "[peer_tag_param]") + _send("BYE", 2, "[peer_tag_param]", ' retrans="500"')
    # In the call: to the callee, through what recorded a route.
    for method, number in (("ACK", 1), ("BYE", 2)):
        steps = steps.replace(f"{method} {CALLED}", f"{method} [next_url]")
        steps = steps.replace(f"CSeq: {number} {method}", f"[routes]\n      CSeq: {number} {method}")
    steps += '<recv response="200" next="end"/>\n<label id="refused"/>\n'
    # Of the same transaction as the INVITE, seven steps ago: RFC 3261, 17.1.1.3.
    steps += _send("ACK", 1, "[peer_tag_param]").replace("[branch]", "[branch-7]") + '<label id="end"/>\n'
    file = folder / "rate.xml"
    file.write_text(f'<?xml version="1.0"?><scenario name="rate">\n{steps}</scenario>\n')
    address, port = place
    command = ["sipp", "-sf", str(file), "-i", source, "-t", "u1", "-r", str(rate), "-m", str(calls), "-l", str(calls)]
    command += [
        # What comes while it gets no processor time is kept, as far as the system allows: a 200 is not repeated.
        "-buff_size",
        "1000000",
        "-deadcall_wait",
        "0",
        "-timeout",
        "60s",
        "-timeout_error",
        "-nostdin",
        "-trace_err",
        "-error_file",
        str(folder / "errors"),
    ]
    done = subprocess.run(
        [*command, f"{address}:{port}"], cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    errors = (folder / "errors").read_text() if (folder / "errors").exists() else done.stderr
    assert done.returncode == 0, f"sipp from {source}: {errors[:600]}"
