"""A way to the database that cannot work is refused in the settings; and never is an empty host connected to."""

from __future__ import annotations

import time
from typing import Any
from unittest.mock import patch

import pulumi
import pytest

from components.trunk_acl import reach
from components.trunk_acl.provider import TrunkAclProvider
from refusal import Refusal
from settings import Settings, SettingsError
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_tls
from tests.unit.cloud import Cloud
from tests.unit.recording import declare

NETWORK = "projects/warp-prod/global/networks/default"
AUTHORISED = {"authorised": {"office": "192.0.2.0/24"}}
PRIVATE = {"public": False, "privateNetwork": NETWORK}
READER = "kamailio@warp-prod.iam.gserviceaccount.com"
CERTIFICATES = {"sslMode": "TRUSTED_CLIENT_CERTIFICATE_REQUIRED"}
CONNECTOR, PROXY = {"access": "connector"}, {"access": "proxy", "proxyPort": 5433}
BY_IAM = {"signIn": {"passwords": False, "readers": [READER]}, "enforcement": {"address": "127.0.0.1"}}


def stack(database: Config, acl: Config, *, manage: bool = True) -> Config:
    config = changed(without_tls(stack_config("sandbox")), ("warp-edge:trunkAcl",), {"manage": manage} | acl)
    return changed(config, ("warp-edge:database",), {"instance": "warp-db", "network": AUTHORISED} | database)


@pytest.mark.parametrize(
    ("database", "acl", "wrong", "remedy"),
    [
        ({"network": PRIVATE}, {}, "public (the default)", "set trunkAcl.reach.address: private"),
        ({"network": PRIVATE}, {"reach": CONNECTOR}, "no public address", "or set database.network.public: true"),
        ({}, {"reach": {"address": "private"}}, "no private address", "add database.network.privateNetwork"),
        ({}, {"reach": CONNECTOR | {"address": "private"}}, "no private address", "trunkAcl.reach.address: public"),
        ({}, {"reach": PROXY | {"address": "private"}}, "no private address", "trunkAcl.reach.address: public"),
        ({}, {"reach": CONNECTOR | {"iamUser": "a@b.tel"}}, "iamUser signs in by IAM", "database.iamAuthentication"),
        (
            {},
            {"signIn": {"readers": [READER]}},
            "signIn.readers sign in by IAM",
            "set database.iamAuthentication: true",
        ),
        (
            {},
            {"signIn": {"writers": [READER]}},
            "signIn.writers sign in by IAM",
            "set database.iamAuthentication: true",
        ),
        ({}, BY_IAM, "signIn.readers sign in by IAM", "set database.iamAuthentication: true"),
        ({"network": {}}, {}, "no network is authorised", "add the range that `pulumi up` comes from"),
        (
            {"network": {"privateNetwork": NETWORK}},
            {},
            "reach is direct to the public address",
            "use trunkAcl.reach.access: connector (or proxy)",
        ),
        (
            {"network": {}},
            {"reach": CONNECTOR, "enforcement": {}},
            "the SIP proxies connect to the database's public address",
            "add database.network.privateNetwork, or the range that the pods come from",
        ),
        (CERTIFICATES, {}, "requires a client certificate", "use trunkAcl.reach.access: connector"),
        (CERTIFICATES, {"reach": CONNECTOR, "enforcement": {}}, "the SIP proxies sign in", "sslMode: ENCRYPTED_ONLY"),
    ],
)
def test_no_way_is_refused_with_key_and_remedy(database: Config, acl: Config, wrong: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.parse(as_engine_gives_it(stack(database, acl)))
    (problem,) = refused.value.problems
    assert problem.key == "warp-edge:trunkAcl"
    assert wrong in problem.wrong
    assert remedy in problem.remedy


@pytest.mark.parametrize(
    ("database", "acl"),
    [
        ({"network": PRIVATE}, {"reach": {"address": "private"}}),
        ({"network": PRIVATE}, {"reach": PROXY}),  # started with --private-ip
        ({"network": {"privateNetwork": NETWORK}}, {"reach": {"address": "private"}}),
        ({"network": {"privateNetwork": NETWORK}}, {"reach": CONNECTOR, "enforcement": {}}),
        ({"network": {}}, {"reach": CONNECTOR}),
        ({"network": {}}, {"reach": PROXY, "enforcement": {"address": "127.0.0.1"}}),
        ({}, {"enforcement": {}}),
        ({"iamAuthentication": True}, {"reach": CONNECTOR | {"iamUser": "a@b.tel"}}),
        ({"iamAuthentication": True}, {"signIn": {"readers": [READER]}}),
        (CERTIFICATES, {"reach": CONNECTOR}),
        (CERTIFICATES | {"iamAuthentication": True}, {"reach": CONNECTOR} | BY_IAM),
    ],
)
def test_what_can_work_is_let_through(database: Config, acl: Config) -> None:
    Settings.parse(as_engine_gives_it(stack(database, acl)))


def test_where_nothing_is_applied_no_way_is_needed() -> None:
    Settings.parse(as_engine_gives_it(stack({"network": PRIVATE}, {}, manage=False)))


def test_an_empty_host_is_never_connected_to() -> None:
    """libpq takes it for this machine's own server: at once and in words, not by waiting for that."""
    target = reach.Target("direct", "", 5432, "p:r:i", "warp", "u", private=False, iam=False, deadline_seconds=60)
    began = time.monotonic()
    with (
        patch("psycopg.connect", side_effect=AssertionError("connected")),
        pytest.raises(Refusal, match="it has no public address") as refused,
        reach.connected(target),
    ):
        pass
    assert "trunkAcl.reach.address: private" in str(refused.value)
    assert time.monotonic() - began < 5


def test_the_provider_does_not_connect_without_a_host() -> None:
    """The engine leaves out what is null."""
    way = {"access": "direct", "port": 5432, "private": True, "iam": False, "deadlineSeconds": 60}
    props: dict[str, Any] = {"instance": "p:r:i", "database": "warp", "user": "u", "serverCa": "", "reach": way}
    with (
        patch("psycopg.connect", side_effect=AssertionError("connected")),
        pytest.raises(Refusal, match="it has no private address"),
    ):
        TrunkAclProvider().read("p:r:i/warp", props)


class Addressless(Cloud):
    """A plugin that answers with nothing for the instance's addresses."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        id_, outputs = super().new_resource(args)
        return id_, {key: value for key, value in outputs.items() if not key.endswith("IpAddress")}


def test_the_proxies_are_not_sent_to_an_empty_host() -> None:
    config = changed(stack_config("sandbox"), ("warp-edge:trunkAcl", "reach"), PROXY)
    with pytest.raises(pulumi.RunError, match="no address that the SIP proxies can reach") as refused:
        declare(config, cloud=Addressless("warp-sandbox"))
    assert "database.network.privateNetwork" in str(refused.value)
