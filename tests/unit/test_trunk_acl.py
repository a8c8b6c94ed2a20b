"""`TrunkAclSchema` and `AclEnforcement`: what is handed to the database and to the cluster, and how secretly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pulumi
import pytest

from components import acl_enforcement
from components.trunk_acl.schema import trunk_files
from components.trunk_acl.trunk_files import TrunkFiles
from components.workload import checksum
from engine.refusal import RefusedError
from plan.import_ids import import_ids
from settings import Settings, SettingsError
from settings.trunk_acl import Confirmed, Removals, TrunkAcl
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, without_site, without_tls
from tests.unit.cloud import Cloud
from tests.unit.everything import ADDRESSES, BEFORE, everything
from tests.unit.recording import HIDDEN, Declared, Edge, declare, declare_once

ACL = "pulumi-python:dynamic/warp:TrunkAcl"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
SECRET = "kubernetes:core/v1:Secret"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
SERVICE = "kubernetes:core/v1:Service"


def with_acl(*path: str, value: Any = True, stack: str = "sandbox") -> Config:
    config = changed(without_tls(without_site(stack_config(stack))), ("warp-edge:trunkAcl", "manage"), True)
    return changed(config, ("warp-edge:trunkAcl", *path), value) if path else config


def one(edge: Edge, token: str) -> Declared:
    (found,) = edge.of_type(token)
    return found


def refusals(config: Config) -> str:
    with pytest.raises(SettingsError) as error:
        Settings.parse(as_engine_gives_it(config))
    return str(error.value)


def test_nothing_of_the_acl_is_declared_until_it_is_to_be_managed() -> None:
    edge = declare(stack_config("prod"))
    assert not [each for each in edge.resources if "acl" in each.name]
    assert "trunkAcl" not in edge.outputs


def test_the_provider_gets_every_password_as_a_secret_and_says_so_in_the_outputs() -> None:
    edge = declare_once(with_acl())
    acl = one(edge, ACL)
    assert [acl.clear[key] for key in ("password", "readerPassword", "writerPassword")] == [HIDDEN] * 3
    reported = edge.clear_outputs["trunkAcl"]
    assert [reported["readerPassword"], reported["writerPassword"]] == [HIDDEN] * 2
    assert (reported["customers"], reported["trunks"], reported["entries"]) == (3, 5, 8)


def test_what_is_pickled_into_the_state_is_a_name_and_nothing_else() -> None:
    provider = one(declare_once(with_acl()), ACL).clear["__provider"]
    assert len(provider) < 150, "a provider pickled by value changes with every edit of its code"
    assert provider != HIDDEN


def test_the_migrations_are_named_with_their_hashes() -> None:
    migrations = one(declare_once(with_acl()), ACL).inputs["migrations"]
    assert min(migrations) == "0001_ranges.sql"
    assert all(len(sha256) == 64 for sha256 in migrations.values())


def test_without_trunk_files_the_rows_are_the_portals_alone() -> None:
    assert one(declare(with_acl("trunks", value=None)), ACL).inputs.get("trunks") is None


def test_the_acl_is_protected_like_the_database() -> None:
    assert one(declare_once(with_acl(stack="prod")), ACL).protect
    assert not one(declare_once(with_acl()), ACL).protect


def test_wrong_trunk_files_end_the_program_before_anything_is_declared() -> None:
    with pytest.raises(pulumi.RunError, match="no such folder"):
        declare(with_acl("trunks", value="trunks/nowhere"))


def test_an_iam_principal_signs_in_without_a_password() -> None:
    who = "deploy@warp-prod.iam.gserviceaccount.com"
    config = with_acl("reach", value={"access": "connector", "iamUser": who})
    config = changed(config, ("warp-edge:database", "iamAuthentication"), True)
    inputs = one(declare(config), ACL).inputs
    assert inputs["user"] == "deploy@warp-prod.iam"
    assert inputs.get("password") is None
    assert inputs["reach"]["iam"] is True


def test_kamailio_gets_its_fragments_and_the_databases_authority() -> None:
    data = one(declare_once(with_acl()), CONFIG_MAP).inputs["data"]
    assert {"ip_auth.cfg", "rpc.cfg", "server-ca.pem"} <= set(data)
    assert "route[IP_AUTH]" in data["ip_auth.cfg"]


def test_the_limit_per_source_is_for_the_ports_that_callers_reach() -> None:
    def ports(edge: Edge) -> str:
        (line,) = re.findall(
            r"^define PORTS = \{ (.*) \}$",
            edge.named("acl-enforcement-fragments").inputs["data"]["limits.nft"],
            re.MULTILINE,
        )
        return str(line)

    assert ports(declare_once(with_acl())) == "5060, 5061, 8080, 8443"
    edge = declare(everything(), before=BEFORE, cloud=Cloud("warp-sandbox", ADDRESSES))
    # acme's, gamma's and gone's own over TCP; beta has none.
    own = [first + role for first in (15060, 15068, 15072) for role in range(4)]
    assert ports(edge) == ", ".join(map(str, [5060, 5061, 8080, 8443, *own]))


def test_the_readers_credentials_are_in_the_secret_and_nowhere_else() -> None:
    edge = declare(stack_config("sandbox"))  # with its site: files that everybody reads
    secret = edge.named("acl-enforcement-credentials")
    assert secret.clear["stringData"] == HIDDEN or secret.clear["stringData"]["WARP_ACL_DB_URL"] == HIDDEN
    url = secret.inputs["stringData"]["WARP_ACL_DB_URL"]
    assert url.startswith("postgres://warp_acl_reader:")
    assert secret.inputs["stringData"]["PGSSLMODE"] == "verify-ca"
    for each in edge.resources:
        if each.type != SECRET:
            assert url not in repr(each.inputs)


def test_the_reloader_finds_every_proxy_pod_ready_or_not() -> None:
    edge = declare_once(with_acl())
    service = next(each for each in edge.of_type(SERVICE) if each.name == "acl-enforcement-proxies").inputs["spec"]
    assert service["clusterIP"] == "None"
    assert service["publishNotReadyAddresses"] is True
    assert service["selector"] == {"app": "kamailio"}
    (container,) = one(edge, DEPLOYMENT).inputs["spec"]["template"]["spec"]["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["WARP_ACL_PROXIES"] == "kamailio-rpc.warp-core.svc"
    assert container["image"] == "warp-acl-reloader:sandbox"
    assert container["securityContext"]["runAsNonRoot"] is True


def test_a_changed_fragment_or_credential_rolls_the_reloader(monkeypatch: pytest.MonkeyPatch) -> None:
    def checksums() -> tuple[dict[str, str], Any]:
        declared = one(declare(with_acl()), DEPLOYMENT)
        found = declared.inputs["spec"]["template"]["metadata"]["annotations"]
        return found, declared.clear["spec"]["template"]["metadata"]["annotations"]

    first, clear = checksums()
    assert checksums() == (first, clear)
    assert clear == {**first, "checksum/secret": HIDDEN}
    monkeypatch.setattr("kamailio.fragments", lambda: {"ip_auth.cfg": "# another"})
    fragments, _ = checksums()
    assert fragments["checksum/config"] != first["checksum/config"]
    assert fragments["checksum/secret"] == first["checksum/secret"]
    monkeypatch.setattr("components.acl_enforcement.MOUNTED", "/elsewhere")  # a value of the Secret
    both, _ = checksums()
    assert both["checksum/config"] == fragments["checksum/config"]
    assert both["checksum/secret"] != first["checksum/secret"]


def test_no_password_can_be_tried_on_the_secrets_checksum() -> None:
    environment = {"WARP_ACL_DB_URL": "postgres://u:hunter2@h/d", acl_enforcement.RPC_KEY: "one"}
    found = acl_enforcement.keyed_checksum(environment)
    other = acl_enforcement.keyed_checksum({**environment, acl_enforcement.RPC_KEY: "two"})
    plain = {
        checksum(environment),
        checksum({**environment, acl_enforcement.RPC_KEY: ""}),
    }
    assert len({found, other, *plain}) == 4


def test_without_an_image_there_is_no_reloader() -> None:
    edge = declare(with_acl("enforcement", value={}))
    assert not edge.of_type(DEPLOYMENT)
    assert edge.of_type(CONFIG_MAP)


def test_what_the_cluster_has_already_can_be_adopted() -> None:
    edge = declare_once(with_acl())
    found = import_ids(Settings.parse(as_engine_gives_it(with_acl())))
    ids = {name: each for name, each in found.items() if name.startswith("acl-enforcement-")}
    ours = {each.name: each for each in edge.resources if each.name.startswith("acl-enforcement-") and each.custom}
    assert set(ids) == set(ours) - {"acl-enforcement-token"}
    for name, import_id in ids.items():
        metadata = ours[name].inputs["metadata"]
        assert import_id == f"{metadata['namespace']}/{metadata['name']}"


@pytest.mark.parametrize(
    ("path", "value", "reported"),
    [
        (("reach",), {"access": "proxy"}, "add trunkAcl.reach.proxyPort"),
        (("reach",), {"access": "direct", "iamUser": "a@b.iam"}, "IAM sign-in without a proxy or connector"),
        (("limits", "widestIpv4"), 4, "use 8 or more"),
        (("limits", "allowReserved"), ["10.0.0.1/8"], "is not a range"),
        (("signIn",), {"passwords": False}, "no role could read the ACL"),
        (("owner",), "portal", "its rows would be removed"),
    ],
)
def test_what_cannot_work_is_refused_with_the_remedy(path: tuple[str, ...], value: object, reported: str) -> None:
    assert reported in refusals(with_acl(*path, value=value))


READER = "kamailio@warp-prod.iam.gserviceaccount.com"
PROXY = {"image": "cloud-sql-proxy:2", "serviceAccount": "warp-acl-reloader"}


def by_iam(*more: tuple[str, object]) -> dict[str, Any]:
    """Settings of a stack whose reader is an IAM principal; `more` are of `enforcement`, by dotted path."""
    config = changed(
        with_acl("signIn", value={"passwords": False, "readers": [READER]}),
        ("warp-edge:database", "iamAuthentication"),
        True,
    )
    for path, value in more:
        config = changed(config, ("warp-edge:trunkAcl", "enforcement", *path.split(".")), value)
    return config


def test_by_iam_kamailio_and_the_reloader_have_a_proxy_beside_them() -> None:
    assert "add trunkAcl.enforcement.address" in refusals(by_iam())
    assert "add trunkAcl.enforcement.reloader.databaseProxy" in refusals(by_iam(("address", "127.0.0.1")))
    elsewhere = by_iam(("address", "10.0.0.9"), ("reloader.databaseProxy", PROXY))
    assert "set trunkAcl.enforcement.address: 127.0.0.1" in refusals(elsewhere)
    with_password = changed(with_acl(), ("warp-edge:trunkAcl", "enforcement", "reloader", "databaseProxy"), PROXY)
    assert "set trunkAcl.signIn.passwords: false, or remove" in refusals(with_password)


def test_the_name_of_an_iam_principal_is_in_no_url() -> None:
    """Kamailio reads `%40` in one as it is written; libpq, in the reloader, ends the name at a plain `@`."""
    edge = declare(by_iam(("address", "127.0.0.1"), ("reloader.databaseProxy", PROXY)))
    environment = one(edge, SECRET).inputs["stringData"]
    assert environment["WARP_ACL_DB_URL"] == "postgres://127.0.0.1:5432/warp"
    assert environment["PGUSER"] == "kamailio@warp-prod.iam"
    pod = one(edge, DEPLOYMENT).inputs["spec"]["template"]["spec"]
    assert pod["serviceAccountName"] == "warp-acl-reloader"
    reloader, proxy = pod["containers"]
    assert proxy["args"][0] == "--auto-iam-authn"
    assert proxy["args"][-2] == "--port=5432"
    assert proxy["args"][-1].count(":") == 2
    assert proxy["securityContext"] == reloader["securityContext"]


def test_a_proxy_of_the_cluster_needs_none_in_the_pod() -> None:
    edge = declare(by_iam(("address", "10.0.0.9")))
    assert one(edge, SECRET).inputs["stringData"]["WARP_ACL_DB_URL"] == "postgres://10.0.0.9:5432/warp"
    assert len(one(edge, DEPLOYMENT).inputs["spec"]["template"]["spec"]["containers"]) == 1


def test_an_ipv6_address_is_written_as_urls_have_it() -> None:
    config = changed(with_acl(), ("warp-edge:trunkAcl", "enforcement", "address"), "fd20::5")
    url = one(declare(config), SECRET).inputs["stringData"]["WARP_ACL_DB_URL"]
    assert url.endswith("@[fd20::5]:5432/warp")


def test_a_proxy_that_starts_finds_every_reloaders_snapshot_ready_or_not() -> None:
    edge = declare_once(with_acl())
    service = next(each for each in edge.of_type(SERVICE) if each.name == "acl-enforcement-snapshot").inputs
    assert service["spec"]["publishNotReadyAddresses"] is True
    deployment = one(edge, DEPLOYMENT).inputs
    assert service["spec"]["selector"] == deployment["spec"]["selector"]["matchLabels"]
    url = one(edge, SECRET).inputs["stringData"]["WARP_ACL_SNAPSHOT"]
    assert url == f"http://{service['metadata']['name']}.warp-core.svc:9062/snapshot"
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["WARP_ACL_SNAPSHOT_HOURS"] == "24"
    (mount,) = (each for each in container["volumeMounts"] if each["name"] == "snapshot")
    assert environment["WARP_ACL_SNAPSHOT_FILE"].startswith(mount["mountPath"] + "/")
    (volume,) = (each for each in pod["volumes"] if each["name"] == "snapshot")
    assert volume["emptyDir"]["medium"] == "Memory", "it has customers' addresses"


def test_the_reloaders_own_service_cannot_have_the_name_of_the_proxies() -> None:
    config = changed(with_acl(), ("warp-edge:trunkAcl", "enforcement", "reloader", "name"), "kamailio-rpc")
    assert "the reloader's own Service has this name" in refusals(config)


def test_the_examples_of_the_sandbox_are_a_folder_of_this_repository() -> None:
    folder = stack_config("sandbox")["warp-edge:trunkAcl"]["trunks"]
    assert (Path(__file__).parents[2] / folder).is_dir()


# --- what vanishes from the trunk files -------------------------------------------------------------------------------

CUSTOMERS = {ban: f"main IP_ACL 1 calls/s 1 calls\n  34.1.0.{ban}/32" for ban in ("1", "2", "3")}


def files_of(folder: Path, *bans: str, removals: Removals | None = None, before: Any = CUSTOMERS) -> TrunkFiles | None:
    lines = [
        f'- {{ban: "{ban}", trunk: main, callsPerSecond: 1, concurrentCalls: 1, ranges: [34.1.0.{ban}]}}\n'
        for ban in bans
    ]
    (folder / "all.yaml").write_text("".join(lines) or "[]", encoding="utf-8")
    acl = TrunkAcl(manage=True, trunks=folder.name, removals=removals or Removals())
    return trunk_files(acl, folder.parent, before)


def test_a_customer_that_vanishes_from_the_files_ends_the_program_before_anything_is_declared(tmp_path: Path) -> None:
    with pytest.raises(RefusedError, match=r"1 of 3 entries would be removed, of BAN 2; entirely removed: BAN 2;"):
        files_of(tmp_path, "1", "3")
    with pytest.raises(RefusedError, match=r'confirmed: \{entries: 3, bans: \["1", "2", "3"\]\}'):
        files_of(tmp_path)


def test_a_first_deployment_and_a_confirmed_removal_are_not_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", warned.append)
    monkeypatch.setattr("pulumi.log.info", lambda _: None)
    confirmed = Removals(confirmed=Confirmed(entries=2, bans=("3", "2")))
    assert files_of(tmp_path, "1", before=None)
    assert files_of(tmp_path, "1", before={})
    assert files_of(tmp_path, "1", removals=confirmed)
    assert not warned
    assert files_of(tmp_path, "1", removals=confirmed, before={"1": CUSTOMERS["1"]}), "the next update"
    assert warned == ["trunkAcl.removals.confirmed is not what this update removes; take it out of the settings"]


def test_the_database_is_given_what_may_be_removed() -> None:
    confirmed = {"entries": 2, "bans": ["20", "10"]}
    inputs = one(declare(with_acl("removals", value={"percent": 5, "confirmed": confirmed})), ACL).inputs
    assert inputs["removals"] == {"customers": 0, "percent": 5, "confirmed": {"entries": 2, "bans": ["10", "20"]}}
