"""What a SIP answer means for the promise. Pure.

Any answer proves that the endpoint lives, and who asks decides which one is right: a customer's address is served
(200), any other is refused (403: the trunk ACL works). 503 is what the proxy says without a complete ACL
(kamailio/README.md).
"""

from __future__ import annotations

from verify.finding import Judgement, Verdict, one_line
from verify.sip import Answer

ANY = 0
LIVES = "see that the proxy runs and that its load balancer has the address: kubectl get service,pods"
MEANINGS = {200: "serves this source", 403: "lives, and does not know this source"}


def expectation(status: int) -> str:
    """For people."""
    return "an answer" if status == ANY else f"{status}, {MEANINGS.get(status, 'as --expect says')}"


def judge(answer: Answer, expected: int) -> Judgement:
    """An endpoint's answer to OPTIONS."""
    server = answer.headers.get("server", "")
    told = ", ".join(
        part
        for part in (str(answer.status), MEANINGS.get(answer.status, ""), server and f"Server: {one_line(server)}")
        if part
    )
    if expected in (ANY, answer.status) and answer.status < 500:
        return Judgement(Verdict.HOLDS, told, milliseconds=answer.milliseconds)
    return Judgement(Verdict.BROKEN, told, _remedy(answer.status, expected), answer.milliseconds)


def _remedy(status: int, expected: int) -> str:
    if status == 503:
        return "the proxy has no complete trunk ACL and refuses every call: see kamailio/README.md, `What it answers`"
    if status >= 500:
        return "see the proxy's log"
    if expected == 403 and status == 200:
        return "the proxy takes calls from an address that is nobody's: see that route(IP_AUTH) is called"
    if expected == 200 and status == 403:
        return "see that this source has a trunk, and that the reloader runs (docs/trunk-acl.md)"
    return "see the proxy's configuration, or choose another --expect"
