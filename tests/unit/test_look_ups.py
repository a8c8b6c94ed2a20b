"""A look-up that fails is refused in this program's words, before anything is declared; nothing that it answers with,
or leaves out, ends the program with a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import grpc
import pulumi
import pytest

from components.look_up import SHOWN, Sought, look_up
from engine import record as engine_record
from engine.refusal import RefusedError, not_reported_yet
from engine.tokens import ADDRESS, DEDICATED_INGRESS, SERVICE
from tests.stacks import Config, changed, stack_config, without_site
from tests.unit.cloud import Cloud
from tests.unit.recording import Edge, declare

SANDBOX = without_site(stack_config("sandbox"))

CLUSTER, ZONE, KEYS = (
    "gcp:container/getCluster:getCluster",
    "gcp:dns/getManagedZone:getManagedZone",
    "gcp:dns/getKeys:getKeys",
)
OURS = changed(SANDBOX, ("warp-edge:dns", "zone"), {"name": "ringer-tel", "dnssec": True})
OTHERS = changed(SANDBOX, ("warp-edge:dns", "zone"), {"name": "ringer-tel", "manage": False})

# As pulumi-gcp says it, around what Google's API says.
NOT_FOUND = (
    "googleapi: Error 404: Not found: projects/warp-sandbox/locations/us-central1/clusters/warp-cluster., notFound"
)
NO_ZONE = "googleapi: Error 404: The 'parameters.managedZone' resource named 'ringer-tel' does not exist., notFound"
FORBIDDEN = 'googleapi: Error 403: Required "container.clusters.get" permission(s) for "projects/x"., forbidden'
OFF = (
    "googleapi: Error 403: Kubernetes Engine API has not been used in project 1 before or it is disabled."
    ' Details: [{"reason": "SERVICE_DISABLED"}], accessNotConfigured'
)
NO_SIGN_IN = "could not find default credentials. See https://cloud.google.com/docs/authentication"
GONE = (
    "projects/warp-sandbox/locations/us-central1/clusters/warp-cluster not found"  # as pulumi-gcp's data sources say it
)
TOO_OFTEN = "googleapi: Error 403: Quota exceeded for quota metric 'Read requests per minute'., rateLimitExceeded"
NO_QUOTA = "googleapi: Error 403: Quota exceeded for quota metric 'Queries' of service 'dns.googleapis.com'., forbidden"
NO_NETWORK = (
    'Get "https://container.googleapis.com/v1": oauth2: cannot fetch token: Post "https://oauth2.googleapis.com": '
    "dial tcp 142.250.0.95:443: i/o timeout"
)
REVOKED = 'oauth2: "invalid_grant" "Token has been expired or revoked."'
UNAUTHORISED = "oauth2: cannot fetch token: 401 Unauthorized Response: {}"
NO_PLUGIN = "unable to find plugin: gcp not found in $PATH"
NO_PROGRAM = 'exec: "pulumi-resource-gcp": executable file not found in $PATH'
ODD = "1 error occurred:\n\t* googleapi: got HTTP response code 502 with body: <html>" + "x" * 1000


@pytest.fixture(autouse=True)
def _told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `main` has it."""
    monkeypatch.setattr(logging.getLogger("asyncio"), "filters", [not_reported_yet])


class Failure(grpc.RpcError):
    """As the engine answers when a plugin has failed."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return str(self)


class Answers(Cloud):
    """A cloud that answers one look-up with `answer`: text is a failure, as the engine hands it on."""

    def __init__(self, token: str, answer: str | dict[str, Any]) -> None:
        super().__init__("warp-sandbox")
        self.declared: list[str] = []
        self.asked = 0
        self._token, self._answer = token, answer

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token != self._token:
            return super().call(args)
        self.asked += 1
        if isinstance(self._answer, str):
            raise Failure(f"invocation of {args.token} returned an error: invoking {args.token}: {self._answer}")
        return self._answer, []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        self.declared.append(args.name)
        return super().new_resource(args)


def refused(config: Config, cloud: Answers) -> str:
    with pytest.raises(pulumi.RunError) as error:
        declare(config, cloud=cloud)
    text = str(error.value)
    assert "\n  -> " in text
    assert "invoke of" not in text
    assert "googleapi" not in text or len(text) < 700
    return text


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (NOT_FOUND, ("there is no GKE cluster warp-cluster in us-central1", "correct warp-edge:cluster.name")),
        (FORBIDDEN, ("this account has no permission", "roles/container.clusterViewer")),
        (OFF, ("container.googleapis.com is not enabled", "gcloud services enable container.googleapis.com")),
        (GONE, ("there is no GKE cluster warp-cluster in us-central1", "correct warp-edge:cluster.name")),
        (NO_SIGN_IN, ("this machine's sign-in", "gcloud auth application-default login")),
        (REVOKED, ("this machine's sign-in", "gcloud auth application-default login")),
        (UNAUTHORISED, ("this machine's sign-in", "gcloud auth application-default login")),
        (TOO_OFTEN, ("quota of container.googleapis.com is used up", "try again in a minute")),
        (NO_QUOTA, ("quota of container.googleapis.com is used up", "try again in a minute")),
        (NO_NETWORK, ("cannot be looked up: Get", "i/o timeout", "try again")),
        (NO_PLUGIN, ("cannot be looked up: unable to find plugin", "try again")),
        (NO_PROGRAM, ("cannot be looked up: exec:", "try again")),
        (ODD, ("cannot be looked up: googleapi: got HTTP response code 502", "try again", "warp-edge:cluster.name")),
    ],
)
def test_a_cluster_that_cannot_be_looked_up(answer: str, reported: tuple[str, ...]) -> None:
    cloud = Answers(CLUSTER, answer)
    text = refused(OURS, cloud)
    assert all(words in text for words in reported), text
    assert answer.split("* ")[-1][: SHOWN - 1] in text  # the plugin's own message, for those who know it
    assert cloud.declared == []


@pytest.mark.parametrize(
    ("answer", "reported"),
    [
        (NO_ZONE, ("there is no zone ringer-tel at Cloud DNS", "correct warp-edge:dns.zone.name", "manage: true")),
        (FORBIDDEN, ("this account has no permission", "roles/dns.reader")),
        (OFF, ("dns.googleapis.com is not enabled", "gcloud services enable dns.googleapis.com")),
        ({"dnsName": "tel.example."}, ("is for tel.example.", "correct warp-edge:dns.zone.name")),
        ({"dnsName": "inger.tel."}, ("is for inger.tel.", "correct warp-edge:dns.zone.name")),
        ({"dnsName": "eu.ringer.tel."}, ("is for eu.ringer.tel.", "correct warp-edge:dns.zone.name")),
        ({"dnsName": "other.example."}, ("is for other.example.", "correct warp-edge:dns.zone.name")),
    ],
)
def test_a_zone_that_another_team_owns_and_that_cannot_be_used(
    answer: str | dict[str, Any], reported: tuple[str, ...]
) -> None:
    cloud = Answers(ZONE, answer)
    text = refused(OTHERS, cloud)
    assert all(words in text for words in reported), text
    assert cloud.declared == []


def test_keys_that_cannot_be_looked_up() -> None:
    text = refused(OURS, Answers(KEYS, FORBIDDEN))
    assert "zone ringer-tel at Cloud DNS cannot be looked up" in text
    assert "roles/dns.reader" in text


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"keySigningKeys": None, "zoneSigningKeys": None},
        {"keySigningKeys": []},
        {"keySigningKeys": [{}]},
        {"keySigningKeys": [{"dsRecord": None}]},
        {"keySigningKeys": [{"dsRecord": ""}]},
    ],
)
def test_a_zone_without_keys_yet_has_no_ds_records(answer: dict[str, Any]) -> None:
    assert dns_of(declare(OURS, cloud=Answers(KEYS, answer)))["dsRecords"] == []


@pytest.mark.parametrize("answer", [{}, {"nameServers": None}, {"nameServers": [], "dnsName": None}])
def test_a_zone_whose_name_servers_are_not_known_yet(answer: dict[str, Any]) -> None:
    assert dns_of(declare(OTHERS, cloud=Answers(ZONE, answer)))["nameServers"] == []


@pytest.mark.parametrize("zone", ["ringer.tel.", "tel."])
def test_the_zone_may_be_of_a_domain_above_ours(zone: str) -> None:
    servers = ["ns-cloud-a1.googledomains.com."]
    edge = declare(OTHERS, cloud=Answers(ZONE, {"dnsName": zone, "nameServers": servers}))
    assert dns_of(edge)["nameServers"] == servers


@pytest.mark.parametrize("answer", [{}, {"nameServers": ["ns-cloud-a1.googledomains.com."]}])
def test_a_zone_that_another_team_owns_is_looked_up_once(answer: dict[str, Any]) -> None:
    cloud = Answers(ZONE, answer)
    declare(OTHERS, cloud=cloud)
    assert cloud.asked == 1


def test_of_what_fails_unseen_only_refusals_are_left_to_the_engine(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("asyncio")
    reported = (
        RefusedError("no such zone", "correct it"),
        pulumi.RunError("shutting down"),
        Exception("a plugin's words"),
    )
    for error in (*reported, KeyError("zone")):
        log.error("Task exception was never retrieved", exc_info=error)
    log.error("a task was destroyed")
    assert [record.exc_info and record.exc_info[0] for record in caplog.records] == [KeyError, None]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"endpoint": None, "masterAuths": None},
        {"endpoint": "192.0.2.1", "masterAuths": None},
        {"endpoint": "192.0.2.1", "masterAuths": []},
        {"endpoint": "192.0.2.1", "masterAuths": [{}]},
        {"endpoint": "192.0.2.1", "masterAuths": [{"clusterCaCertificate": None}]},
        {"endpoint": "", "masterAuths": [{"clusterCaCertificate": "Q0E="}]},
    ],
)
def test_a_cluster_that_does_not_run_yet(answer: dict[str, Any]) -> None:
    assert "has no endpoint or no certificate yet" in refused(OURS, Answers(CLUSTER, answer))


def dns_of(edge: Edge) -> dict[str, Any]:
    found: dict[str, Any] = edge.outputs["dns"]
    return found


def test_a_refusal_inside_a_look_up_is_handed_on() -> None:
    def gone() -> None:
        raise pulumi.RunError("Resource monitor has terminated, shutting down")

    with pytest.raises(pulumi.RunError, match="has terminated"):
        look_up(Sought("x", "k", "l", "r", "a"), gone)


def answering(answer: Any) -> Callable[..., Any]:
    class Answer:
        value = answer

    return lambda *_: Answer()


@pytest.mark.parametrize(
    "answer",
    [
        None,
        {},
        {"outputs": None},
        {"outputs": {"urn": {"type": ADDRESS, "outputs": None}}},
        {"outputs": {"urn": {"type": SERVICE}, "dedicated": {}}},
        {"outputs": {"urn": {"type": ADDRESS, "outputs": {"address": None}}}},
        {"outputs": {"urn": {"type": SERVICE, "outputs": {"status": {"loadBalancer": None}}}}},
        {"outputs": {f"x{DEDICATED_INGRESS}$y": {"type": ADDRESS, "outputs": None}}},
    ],
)
def test_a_state_with_nothing_in_it_says_that_nothing_is_used(answer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulumi.runtime, "invoke", answering(answer))
    record = engine_record.last_update()
    assert (record.gateway, record.serving, record.trunks, dict(record.dedicated)) == (None, frozenset(), None, {})


def test_a_state_that_cannot_be_read_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any) -> None:
        raise Exception("invoke of pulumi:pulumi:readStackResourceOutputs failed: incorrect passphrase")  # noqa: TRY002

    monkeypatch.setattr(pulumi.runtime, "invoke", failing)
    with pytest.raises(pulumi.RunError, match="cannot be read: incorrect passphrase") as error:
        engine_record.last_update()
    assert "pulumi stack export" in str(error.value)
