"""Why it failed: the cause first, whatever the current language host wrote before it."""

from __future__ import annotations

from typing import Any

import pytest

from review.causes import Message, causes
from review.foreign import ERROR_LINES, ERROR_LONGEST
from review.markdown import markdown
from review.report import report
from review.settled import failure
from tests.unit.review_events import ADDRESS, INSTANCE, NAT, SERVICE, STACK, preview_of, said, urn

Json = dict[str, Any]
# What the host leaves of a program that it interrupts.
INTERRUPTED = """\
Traceback (most recent call last):
  File "/opt/pulumi/pulumi-language-python-exec", line 191, in <module>
    loop.run_until_complete(coro)
  File "/usr/lib/python3.11/asyncio/base_events.py", line 641, in run_until_complete
    self.run_forever()
  File "/usr/lib/python3.11/asyncio/base_events.py", line 608, in run_forever
    self._run_once()
  File "/usr/lib/python3.11/asyncio/base_events.py", line 1898, in _run_once
    event_list = self._selector.select(timeout)
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/usr/lib/python3.11/selectors.py", line 468, in select
    fd_event_list = self._selector.poll(timeout, max_ev)
                    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
KeyboardInterrupt

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/opt/pulumi/pulumi-language-python-exec", line 204, in <module>
    executor.shutdown(wait=True)
  File "/usr/lib/python3.11/concurrent/futures/thread.py", line 235, in shutdown
    t.join()
  File "/usr/lib/python3.11/threading.py", line 1119, in join
    self._wait_for_tstate_lock()
KeyboardInterrupt
"""
FRAMES = "".join(
    f'  File "/srv/warp-edge/components/module_{number}.py", line {number}, in build\n    call_{number}()\n'
    for number in range(1, 15)
)
UNHANDLED = f"""\
Program failed with an unhandled exception:
Traceback (most recent call last):
{FRAMES}  File "/srv/warp-edge/components/dns.py", line 150, in <lambda>
    return keys.key_signing_keys.apply(lambda found: [key.ds_record for key in found])
                                                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
TypeError: 'NoneType' object is not iterable
"""
REFUSED = "1 error occurred:\n\t* Error creating DatabaseInstance: googleapi: Error 403: forbidden\n\n\n"
ENDED = "an unhandled error occurred: program exited with non-zero exit code: 1"
DATABASE = urn(INSTANCE, "database-instance", "warp:edge:TrunkDatabase$")
NOT_FOUND = "googleapi: Error 404: The resource 'projects/p/{}' was not found, notFound"
INVALID = (
    "googleapi: Error 400: Invalid value for field 'resource.{0}': '{0}s/x'."
    " The referenced {0} resource cannot be found., invalid"
)
ROUTER = urn("gcp:compute/router:Router", "egress-router", "warp:edge:NatEgressPool$")
GATEWAY = urn(NAT, "egress-nat", "warp:edge:NatEgressPool$")
IPV6 = urn(ADDRESS, "ingress-udp-ipv6", "warp:edge:SipIngress$")
PEERING = urn("gcp:compute/globalAddress:GlobalAddress", "database-peering", "warp:edge:TrunkDatabase$")
BALANCER = urn(SERVICE, "ingress-udp", "warp:edge:SipIngress$")
SITE = urn("gcp:storage/bucket:Bucket", "inventory-site-bucket", "warp:edge:InventorySite$")
UNREACHABLE = """\
configured Kubernetes cluster is unreachable: unable to load Kubernetes client configuration from kubeconfig file. \
Make sure you have:

 \t • set up the provider as per https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/

 context "prd" does not exist"""


def errors_of(*events: Json) -> list[str]:
    """The lines under the report's first heading."""
    text = markdown(report(preview_of(*events, result="failed"), "prod"))
    return text.partition("### Errors\n\n")[2].partition("\n\n")[0].split("\n")


@pytest.mark.parametrize(
    ("about", "text", "key"),
    [
        (ROUTER, NOT_FOUND.format("global/networks/voice"), "correct warp-edge:egress.router.network"),
        (ROUTER, INVALID.format("network"), "correct warp-edge:egress.router.network"),
        (GATEWAY, NOT_FOUND.format("regions/r/routers/warp"), "correct warp-edge:egress.router.name"),
        (IPV6, NOT_FOUND.format("regions/r/subnetworks/dual"), "correct warp-edge:ingress.ipv6Subnetwork"),
        (IPV6, INVALID.format("subnetwork"), "correct warp-edge:ingress.ipv6Subnetwork"),
        (DATABASE, NOT_FOUND.format("global/networks/voice"), "correct warp-edge:database.network.privateNetwork"),
        (PEERING, INVALID.format("network"), "correct warp-edge:database.network.privateNetwork"),
        (
            DATABASE,
            "Error 400: Incorrect Service Networking config for instance: p:r:SERVICE_NETWORKING_NOT_ENABLED.",
            "add warp-edge:database.network.peeringRange",
        ),
        (BALANCER, UNREACHABLE, "correct warp-edge:cluster.context (`kubectl config get-contexts`"),
        (
            SITE,
            "Error 409: The requested bucket name is not available.",
            "choose another warp-edge:inventorySite.bucket",
        ),
    ],
)
def test_an_error_that_a_setting_caused_names_the_key_and_the_remedy(about: str, text: str, key: str) -> None:
    preview = preview_of(said("error", text, about), result="failed")
    for page in (markdown(report(preview, "prod")), failure(preview, "prod")):
        assert f"\n  - **What to do**: {key}" in page


@pytest.mark.parametrize(
    ("about", "text"),
    [
        (ROUTER, "googleapi: Error 403: forbidden"),
        (GATEWAY, NOT_FOUND.format("global/networks/voice")),
        ("", NOT_FOUND.format("global/networks/voice")),
        (DATABASE, REFUSED),
    ],
)
def test_what_no_setting_is_known_for_has_no_remedy(about: str, text: str) -> None:
    assert "What to do" not in failure(preview_of(said("error", text, about), result="failed"), "prod")


def lines(severity: str, text: str, about: str = "") -> list[Json]:
    return [said(severity, f"{line}\n", about) for line in text.splitlines()]


def test_the_resources_own_error_is_reported_and_the_hosts_interruption_is_not() -> None:
    for traceback in ([said("error", INTERRUPTED, urn(STACK, "s"))], lines("error", INTERRUPTED, urn(STACK, "s"))):
        reported = errors_of(*traceback, said("error", REFUSED, DATABASE), said("error", "update failed\n"))
        assert reported[0] == "- `database-instance`: `1 error occurred:`"
        assert reported[1].startswith("  - `* Error creating DatabaseInstance: googleapi: Error 403")
        assert reported[2] == "- `update failed`"
        assert len(reported) == 3


def test_an_interruption_alone_is_reported() -> None:
    assert errors_of(said("error", INTERRUPTED), said("error", "update failed\n"))[0] == "- `KeyboardInterrupt`"


@pytest.mark.parametrize("one_by_one", [False, True])
def test_a_program_that_breaks_says_first_what_broke_and_where(one_by_one: bool) -> None:
    broken = lines("error", UNHANDLED) if one_by_one else [said("error", UNHANDLED)]
    reported = errors_of(*broken, said("error", ENDED))
    place = [number for number, line in enumerate(reported) if "TypeError" in line]
    assert place == [1] if one_by_one else [0]
    assert reported[place[0]].endswith("`TypeError: 'NoneType' object is not iterable`")
    assert reported[place[0] + 1] == '  - `File "/srv/warp-edge/components/dns.py", line 150, in <lambda>`'
    assert reported[-1] == f"- `{ENDED}`"


def test_a_traceback_is_reported_completely_whatever_comes_between_its_lines() -> None:
    """As a refresh with the program has it: the host's lines come while resources fail."""
    refused = [said("error", REFUSED, DATABASE), said("error", REFUSED, ROUTER), said("error", "preview failed\n")]
    broken = lines("error", UNHANDLED)
    for step in (2, 5, 11):
        mixed = list(broken)
        for place, event in enumerate(refused):
            mixed.insert(3 + place * step, event)
        reported = errors_of(*mixed, said("error", ENDED))
        first_level = [line for line in reported if line.startswith("- ")]
        assert first_level == [
            "- `database-instance`: `1 error occurred:`",
            "- `egress-router`: `1 error occurred:`",
            "- `Program failed with an unhandled exception:`",
            "- `TypeError: 'NoneType' object is not iterable`",
            "- `preview failed`",
            f"- `{ENDED}`",
        ], step


def test_an_exception_of_several_lines_is_reported_whole() -> None:
    text = UNHANDLED.replace(
        "TypeError: 'NoneType' object is not iterable",
        "pydantic_core.ValidationError: 1 validation error for Settings\ndomain\n  no name [type=value_error]",
    )
    reported = errors_of(said("error", text))
    assert reported[:3] == [
        "- `pydantic_core.ValidationError: 1 validation error for Settings`",
        "  - `domain`",
        "  - `no name [type=value_error]`",
    ]


def test_of_a_chain_the_last_exception_is_the_cause() -> None:
    chain = f"{UNHANDLED}\nThe above exception was the direct cause of the following exception:\n\n" + (
        'Traceback (most recent call last):\n  File "/srv/warp-edge/__main__.py", line 9, in <module>\n    main()\n'
        "RuntimeError: the keys of the zone cannot be read\n"
    )
    assert errors_of(said("error", chain))[0] == "- `RuntimeError: the keys of the zone cannot be read`"
    assert errors_of(*lines("error", chain.partition("\n")[2]))[0] == (
        "- `RuntimeError: the keys of the zone cannot be read`"
    )


def test_a_program_that_ends_without_an_error_says_what_it_wrote() -> None:
    """A wrong import ends the interpreter before the host's own handler: only standard error has it."""
    output = (
        'Traceback (most recent call last):\n  File "/x.py", line 1, in <module>\nImportError: no module named pulumi\n'
    )
    reported = errors_of(*lines("info#err", output), said("error", ENDED))
    assert reported[0] == "- `ImportError: no module named pulumi`"
    calm = errors_of(*lines("info#err", output), said("error", REFUSED, DATABASE), said("error", ENDED))
    assert not [line for line in calm if "ImportError" in line], "another error says why"


def test_no_length_cuts_the_cause_away() -> None:
    wordy = "the provider says: " + "context: " * 1_000 + "Error 409: the address is in use"
    many = "\n".join(f"problem {number}" for number in range(500)) + "\nlast: the zone is missing"
    reported = errors_of(said("error", wordy, urn(ADDRESS, "a")), said("error", many, urn(ADDRESS, "b")))
    assert reported[0].endswith("Error 409: the address is in use`")
    assert len(reported[0]) < ERROR_LONGEST + 100
    assert reported[-1] == "  - `last: the zone is missing`"
    assert f"  - and {501 - ERROR_LINES} more lines" in reported


def test_errors_come_in_the_order_of_what_they_explain() -> None:
    given = [
        Message("", "update failed"),
        Message("", ENDED),
        Message(urn(STACK, "s"), "dns.zone: no such zone\n  -> write its name"),
        Message(DATABASE, REFUSED),
        Message("", "BAIL: resource is invalid"),
    ]
    assert [each.urn for each in causes(given)][:2] == [DATABASE, urn(STACK, "s")]
    assert [each.text for each in causes(given)][2:] == ["update failed", ENDED, "BAIL: resource is invalid"]


def test_an_error_without_a_traceback_stays_as_it_is() -> None:
    assert causes([Message("", REFUSED)]) == (Message("", REFUSED),)
    half = "Traceback (most recent call last):"
    assert causes([Message("", half)]) == (Message("", half),)
