"""What a SIP answer means for the promise. Pure.

Any answer proves that the endpoint is up; which one is right depends on the source: a customer's address is served
(200), any other is refused (403: the trunk ACL works). Without a complete ACL the proxy answers 503
(kamailio/README.md).
"""

from __future__ import annotations

from verify.finding import Judgement, Verdict, one_line
from verify.sip import Answer

ANY = 0
LIVES = "check that the proxy runs and that its load balancer has the address: kubectl get service,pods"
MEANINGS = {200: "serves this source", 403: "is up, and rejects this source as not listed"}


def expectation(status: int) -> str:
    """For people."""
    return "an answer" if status == ANY else f"{status}, {MEANINGS.get(status, 'as given by --expect')}"


def judge(answer: Answer, expected: int) -> Judgement:
    """Judge an endpoint's answer to OPTIONS."""
    server = answer.headers.get("server", "")
    shown = ", ".join(
        part
        for part in (str(answer.status), MEANINGS.get(answer.status, ""), server and f"Server: {one_line(server)}")
        if part
    )
    if expected in (ANY, answer.status) and answer.status < 500:
        return Judgement(Verdict.HOLDS, shown, milliseconds=answer.milliseconds)
    return Judgement(Verdict.BROKEN, shown, _remedy(answer.status, expected), answer.milliseconds)


def _remedy(status: int, expected: int) -> str:
    if status == 503:
        return "the proxy has no complete trunk ACL and refuses every call: see kamailio/README.md, `What it answers`"
    if status >= 500:
        return "check the proxy's log"
    if expected == 403 and status == 200:
        return "the proxy accepts calls from an address that no trunk lists: check that route(IP_AUTH) is called"
    if expected == 200 and status == 403:
        return "check that this source is in a trunk, and that the reloader runs (docs/trunk-acl.md)"
    return "check the proxy's configuration, or use another --expect"
