"""The trunk ACL on the real engine: applied, reconciled, repaired, and never a secret in sight."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml

from components.trunk_acl import migrations
from engine.tokens import ARMOR_TIER as TIER
from engine.tokens import SECURITY_POLICY as POLICY
from engine.tokens import SERVICE
from sandbox import Sandbox
from tests.engine.conftest import Stack, operations
from tests.stacks import ROOT, stack_config, without_tls

ROWS = "trunk-acl-rows"
NEXT = len(migrations.load()) + 1
LATER = f"{NEXT:04}_later.sql"
PROGRAM = ("*.py", "Pulumi*.yaml")
PACKAGES = {each.parent.name for each in ROOT.glob("*/__init__.py")} - {"benchmarks", "sandbox", "tests"}


class Edge(Stack):
    """A stack whose program is a copy, so that its code, its SQL and its trunk files can be edited."""

    def __init__(self, folder: Path, cloud: Sandbox) -> None:
        self.program = folder / "program"
        self.program.mkdir()
        for pattern in PROGRAM:
            for file in ROOT.glob(pattern):
                shutil.copy(file, self.program)
        for name in (*PACKAGES, "trunks"):
            shutil.copytree(ROOT / name, self.program / name, ignore=shutil.ignore_patterns("__pycache__"))
        self._undeployed: dict[Path, str | None] = {}
        self._outputs: dict[str, Any] = {}
        super().__init__(folder, cloud, without_tls(stack_config("sandbox")), program=self.program)

    def up(self, *more: str) -> str:
        printed = super().up(*more)
        self._undeployed.clear()
        self._outputs.clear()
        return printed

    def as_deployed(self) -> None:
        """Also the files that no update took over are as before."""
        super().as_deployed()
        for file, text in self._undeployed.items():
            file.unlink() if text is None else file.write_text(text)
        self._undeployed.clear()

    @property
    def trunk_file(self) -> Path:
        return self.program / "trunks" / "sandbox" / "examples.yaml"

    @property
    def sql(self) -> Path:
        return self.program / "components" / "trunk_acl" / "sql"

    def edit(self, file: Path, old: str, new: str) -> None:
        text = file.read_text()
        assert old in text
        self.write(file, text.replace(old, new))

    def write(self, file: Path, text: str) -> None:
        self._undeployed.setdefault(file, file.read_text() if file.exists() else None)
        file.write_text(text)

    def output(self, name: str) -> dict[str, Any]:
        """As the last update left it, secrets in clear; the engine is asked once."""
        self._outputs = self._outputs or self.cli.outputs(secrets=True)
        found: dict[str, Any] = self._outputs[name]
        return found

    @contextmanager
    def session(self, user: str = "") -> Iterator[psycopg.Connection[Any]]:
        """A session as the database's owner, or as the reader or the writer."""
        database, acl = self.output("database"), self.output("trunkAcl")
        with psycopg.connect(
            host=database["publicAddress"],
            port=database["port"],
            dbname=database["name"],
            user=acl[user] if user else database["user"],
            password=acl[f"{user}Password"] if user else database["password"],
            sslmode="require",
            autocommit=True,
        ) as connection:
            yield connection

    def customer_of(self, address: str) -> str | None:
        with self.session("reader") as connection:
            row = connection.execute("SELECT accounts.get_customer_by_source_ip(%s)", (address,)).fetchone()
        assert row
        found: str | None = row[0]
        return found


@pytest.fixture(scope="module")
def acl(cloud: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Edge:
    """The sandbox's stack, up, from a program of its own."""
    edge = Edge(tmp_path_factory.mktemp("acl"), cloud)
    edge.up()
    return edge


def test_up_applies_the_schema_and_the_trunk_files(acl: Edge) -> None:
    assert acl.customer_of("127.0.0.2") == "100001"
    assert acl.customer_of("127.0.2.7") is None, "a DIGEST trunk never matches by address"
    assert acl.customer_of("127.0.3.200") is None, "this entry is switched off"
    assert {key: acl.output("trunkAcl")[key] for key in ("customers", "trunks", "entries")} == {
        "customers": 3,
        "trunks": 5,
        "entries": 8,
    }


def test_a_preview_without_change_is_clean_also_after_the_providers_code_changed(acl: Edge) -> None:
    for module in ("provider.py", "migrator.py", "entries.py"):
        with (acl.program / "components" / "trunk_acl" / module).open("a") as file:
            file.write("\n\ndef of_a_later_release() -> None:\n    return None\n")
    assert acl.planned() == {}


def test_adding_one_range_is_one_update_that_the_preview_tells_by_customer(acl: Edge) -> None:
    acl.edit(acl.trunk_file, "127.0.3.0/25", "127.0.3.0/25\n    - 127.0.9.0/24")
    assert acl.customer_of("127.0.9.9") is None
    told = acl.cli.text("preview", "--stack", acl.cli.stack)
    assert "trunk files: 1 lines added, 0 removed, for 1 customer" in told
    assert "BAN 100003: + initech: 127.0.9.0/24" in told
    assert acl.customer_of("127.0.9.9") is None, "a preview never writes"
    assert acl.changes() == {ROWS: "update"}
    assert acl.customer_of("127.0.9.9") == "100003"


def test_rows_of_the_portal_are_left_alone(acl: Edge) -> None:
    with acl.session("writer") as portal:
        portal.execute(
            "WITH t AS (INSERT INTO accounts.trunk_groups (ban, name, calls_per_second, concurrent_calls)"
            " VALUES ('100002', 'by-portal', 1, 1) RETURNING id)"
            " INSERT INTO accounts.trunk_ips (trunk_group_id, ban, cidr) SELECT id, '100002', '127.0.20.0/24' FROM t"
        )
    acl.edit(acl.trunk_file, "127.0.9.0/24", "127.0.9.0/25")
    acl.up()
    assert acl.customer_of("127.0.20.1") == "100002"
    assert acl.customer_of("127.0.9.200") is None


def test_what_was_changed_by_hand_is_seen_by_refresh_and_put_right_by_the_next_update(acl: Edge) -> None:
    with acl.session() as owner:
        owner.execute("DROP INDEX accounts.trunk_ips_by_trunk")
        owner.execute("REVOKE SELECT ON kamailio.acl_hosts FROM warp_acl_reader")
        owner.execute("DELETE FROM accounts.trunk_ips WHERE cidr = '127.0.0.2/32'")
    assert acl.planned() == {}, "a preview asks nobody"
    acl.cli.text("refresh", "--stack", acl.cli.stack, "--yes", "--skip-preview")
    assert "index accounts.trunk_ips_by_trunk is gone" in acl.state()
    assert acl.changes() == {ROWS: "update"}
    assert acl.customer_of("127.0.0.2") == "100001"
    with acl.session("reader") as reader:
        assert reader.execute("SELECT count(*) FROM kamailio.acl_hosts").fetchone()
    with acl.session() as owner:
        assert owner.execute("SELECT to_regclass('accounts.trunk_ips_by_trunk')").fetchone() != (None,)


def test_a_wrong_trunk_file_changes_nothing_and_says_where(acl: Edge) -> None:
    acl.edit(acl.trunk_file, "127.0.9.0/25", "127.0.9.1/25")
    line = next(n for n, text in enumerate(acl.trunk_file.read_text().splitlines(), 1) if "127.0.9.1/25" in text)
    told = acl.failing("up", "--yes", "--skip-preview")
    assert f"sandbox/examples.yaml:{line}: BAN 100003" in told
    assert "host bits" in told
    assert "Traceback" not in told


def test_a_file_that_was_parked_or_emptied_revokes_nobody(acl: Edge) -> None:
    parked = acl.trunk_file.rename(acl.trunk_file.with_suffix(".yaml.off"))
    assert "sandbox/examples.yaml.off: neither *.yaml nor *.yml" in acl.failing("preview")
    acl.write(parked.rename(acl.trunk_file), "[]\n")
    for command in (("preview",), ("up", "--yes", "--skip-preview")):
        told = acl.failing(*command)
        assert "entirely removed: BAN 100001, 100002, 100003" in told
        assert re.search(r'confirmed: \{entries: \d, bans: \["100001", "100002", "100003"\]\}', told)
        assert "Traceback" not in told
    assert acl.customer_of("127.0.0.2") == "100001"


def test_what_only_the_database_knows_is_refused_with_the_place_and_changes_nothing(acl: Edge) -> None:
    # The portal's range; in the same go another customer loses one.
    acl.edit(acl.trunk_file, "127.0.9.0/25", "127.0.20.128/25")
    told = acl.failing("up", "--yes", "--skip-preview")
    assert "BAN 100003 (sandbox/examples.yaml:" in told
    assert "127.0.20.128/25 overlaps 127.0.20.0/24 of BAN 100002" in told
    assert "Traceback" not in told
    assert acl.customer_of("127.0.9.9") == "100003"
    acl.as_deployed()
    assert acl.planned() == {}


def test_a_failed_migration_leaves_a_stack_that_the_next_update_repairs(acl: Edge) -> None:
    migration = acl.sql / LATER
    acl.write(migration, "CREATE TABLE accounts.trunk_notes (id integer);\nSELECT 1 / 0;\n")
    told = acl.failing("up", "--yes", "--skip-preview")
    assert f"migration {LATER}: the database refuses: division by zero" in told
    assert "Traceback" not in told
    assert acl.customer_of("127.0.0.2") == "100001"
    with acl.session() as owner:
        assert owner.execute("SELECT to_regclass('accounts.trunk_notes')").fetchone() == (None,)
    acl.write(migration, "CREATE TABLE accounts.trunk_notes (id integer);\n")
    assert acl.changes() == {ROWS: "update"}
    with acl.session() as owner:
        assert owner.execute("SELECT count(*) FROM trunk_acl.migrations").fetchone() == (NEXT,)


def test_an_edited_migration_is_refused_before_anything_runs(acl: Edge) -> None:
    migration = acl.sql / LATER
    acl.write(migration, migration.read_text() + "-- edited\n")
    told = acl.failing("up", "--yes", "--skip-preview")
    assert f"migration {LATER} was edited after it was applied" in told
    assert "a change of the schema is a new file" in told


def cluster_objects(acl: Edge) -> dict[str, tuple[str, Any]]:
    """Logical name -> uid, and the pod template's annotations where there is one."""
    found = {}
    for each in json.loads(acl.cli.text("stack", "export", "--show-secrets", "--stack", acl.cli.stack))["deployment"][
        "resources"
    ]:
        name = each["urn"].rsplit("::", 1)[1]
        if name.startswith("acl-enforcement-") and each["type"].startswith("kubernetes:"):
            template = each["outputs"].get("spec", {}).get("template", {})
            found[name] = each["outputs"]["metadata"]["uid"], template.get("metadata", {}).get("annotations")
    return found


def test_a_changed_fragment_and_a_new_token_are_updates_that_roll_the_reloader(acl: Edge) -> None:
    before = cluster_objects(acl)
    acl.edit(acl.program / "kamailio" / "ip_auth.cfg", "# warp-edge:", "# Edited. warp-edge:")
    enforcement = acl.program / "components" / "acl_enforcement.py"
    acl.edit(enforcement, "length=PASSWORD_LENGTH", "length=PASSWORD_LENGTH + 1")
    printed = acl.up("--json")
    updated = {"acl-enforcement-fragments": "update", "acl-enforcement-reloader": "update"}
    assert updated.items() <= operations(printed).items()
    after = cluster_objects(acl)
    assert {name: uid for name, (uid, _) in after.items()} == {name: uid for name, (uid, _) in before.items()}
    (_, was), (_, now) = before["acl-enforcement-reloader"], after["acl-enforcement-reloader"]
    assert was["checksum/config"] != now["checksum/config"]
    assert was["checksum/secret"] != now["checksum/secret"]
    assert json.loads(now["checksum/secret"]["plaintext"]) not in printed + acl.state()
    assert acl.planned() == {}


def test_no_secret_is_in_the_state_or_in_anything_printed(acl: Edge) -> None:
    database, roles = acl.output("database"), acl.output("trunkAcl")
    secrets = {database["password"], roles["readerPassword"], roles["writerPassword"]}
    assert all(len(secret) == 32 for secret in secrets)
    acl.edit(acl.trunk_file, "127.0.9.0/25", "127.0.9.0/26")
    printed = [
        acl.cli.text("preview", "--stack", acl.cli.stack, "--diff"),
        acl.up(),
        acl.cli.text("refresh", "--stack", acl.cli.stack, "--yes", "--skip-preview", "--diff"),
        acl.cli.text("stack", "output", "--json", "--stack", acl.cli.stack),
        acl.state(),
        *(file.read_text(errors="replace") for file in acl.workspace.directory.rglob("*") if file.is_file()
          and acl.program not in file.parents),
    ]  # fmt: skip
    for text in printed:
        assert not any(secret in text for secret in secrets)
    assert "postgres://warp_acl_reader" not in acl.state()


SERVICES = ("ingress-tcp", "ingress-udp")
ENTERPRISE = {"project": "warp-sandbox", "cloudArmorTier": "CA_ENTERPRISE_PAYGO"}


def admitted(cloud: Sandbox) -> list[str] | None:
    """By the firewall, customers' only: both Services have the same."""
    found = [
        cloud.resource(SERVICE, f"kamailio-sip-{each}")["spec"].get("loadBalancerSourceRanges")
        for each in ("udp", "tcp")
    ]
    assert found[0] == found[1]
    return found[0] and [each for each in found[0] if each.startswith("127.")]


def test_the_firewall_admits_customers_after_the_acl_was_checked_and_new_ones_before_it_has_them(
    acl: Edge, cloud: Sandbox
) -> None:
    for old, new in (("auth: BOTH", "auth: IP_ACL"), ("auth: DIGEST", "auth: DIGEST\n  active: false")):
        acl.edit(acl.trunk_file, old, new)
    acl.set("customers", "warp-edge:ingress", "admit")
    refused = acl.failing("up", "--yes", "--skip-preview")
    assert "rows that are not in the trunk files: portal: 1 trunk, 1 entry" in refused
    assert "Traceback" not in refused
    assert admitted(cloud) is None, "the portal's customers are not dropped"

    with acl.session("writer") as portal:
        portal.execute("DELETE FROM accounts.trunk_ips WHERE cidr = '127.0.20.0/24'")
        portal.execute("DELETE FROM accounts.trunk_groups WHERE name = 'by-portal'")
    done = [name for name in acl.changes() if name in (ROWS, *SERVICES)]
    assert (done[0], sorted(done[1:])) == (ROWS, [*SERVICES]), "it closes after the trunk ACL"
    (last,) = re.findall(r"127\.0\.9\.0/\d+", acl.trunk_file.read_text())
    closed = ["127.0.0.2/31", "127.0.1.0/24", "127.0.3.0/25", last]
    assert admitted(cloud) == closed

    acl.edit(acl.trunk_file, last, "127.0.10.0/24")
    done = [name for name in acl.changes() if name in (ROWS, *SERVICES)]
    assert (done[-1], sorted(done[:-1])) == (ROWS, [*SERVICES]), "it opens before the trunk ACL"
    assert admitted(cloud) == [*closed, "127.0.10.0/24"]

    acl.set({"mode": "preview"}, "warp-edge:protection")
    assert "needs Cloud Armor Enterprise, and project warp-sandbox has CA_STANDARD" in acl.failing("preview")
    cloud.put(lambda tx: tx.put(TIER, "projects/warp-sandbox", ENTERPRISE))
    protection = {f"edge-protection{each}": "create" for each in ("", "-policy", "-service")}
    done_now = acl.changes()
    assert done_now.items() >= {**protection, **dict.fromkeys((ROWS, *SERVICES), "update")}.items()
    assert admitted(cloud) == [*closed[:-1], "127.0.10.0/24"], "what the last one left is closed by the next"
    assert acl.planned() == {"edge-protection-tier": "read"}, "which is no change"

    acl.set({"mode": "off"}, "warp-edge:protection")
    acl.up()
    assert not cloud.resources(POLICY)
    assert cloud.resource(TIER, "projects/warp-sandbox") == ENTERPRISE, "reading it is not owning it"


def test_generated_passwords_and_the_token_are_changed_as_the_page_about_secrets_says(acl: Edge) -> None:
    names = ("database-password", "trunk-acl-writer-password")
    resources = json.loads(acl.state())["deployment"]["resources"]
    urns = {each["urn"].rsplit("::", 1)[1]: each["urn"] for each in resources}
    before = acl.output("database")["password"], acl.output("trunkAcl")["writerPassword"]
    acl.set(1, "warp-edge:trunkAcl", "enforcement", "tokenRotation")
    printed = acl.up("--json", *(f"--replace={urns[name]}" for name in names))
    done = operations(printed)
    assert done["acl-enforcement-token-1"] == "create"
    assert "acl-enforcement-token" not in done, "the reloader has it for proxies that were not restarted"
    assert done["acl-enforcement-credentials"] == done["acl-enforcement-reloader"] == "update"
    after = acl.output("database")["password"], acl.output("trunkAcl")["writerPassword"]
    assert not set(before) & set(after)
    for user in ("", "writer"):
        with acl.session(user) as session:
            assert session.execute("SELECT count(*) FROM accounts.trunk_groups").fetchone()
    assert not [each for each in (*before, *after) if each in printed]
    acl._outputs["database"]["password"], acl._outputs["trunkAcl"]["writerPassword"] = before
    for user in ("", "writer"):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"), acl.session(user):
            pass
    acl._outputs.clear()
    assert acl.planned() == {}


SECRET, CERTIFICATE = "kubernetes:core/v1:Secret", "warp-core/warp-tls"
# As the API has them: base64.
WRITTEN = {"tls.crt": "dGhlIGNoYWlu", "tls.key": "dGhlIGtleSBvZiB0aGUgY2VydGlmaWNhdGU="}
TLS_TOKEN = "a-token-of-the-renewer"


def test_what_the_renewer_wrote_survives_refresh_and_updates_and_is_no_text_of_the_state(
    acl: Edge, cloud: Sandbox
) -> None:
    subprocess.run(
        ["pulumi", "--cwd", str(acl.workspace.project), "config", "set", "--secret", "tlsDnsToken"],
        env=os.environ | acl.workspace.environment, input=TLS_TOKEN, text=True, capture_output=True, check=True,
    )  # fmt: skip
    written = yaml.safe_load((acl.workspace.project / "Pulumi.sandbox.yaml").read_text())["config"]
    acl.set(written["warp-edge:tlsDnsToken"], "warp-edge:tlsDnsToken")
    acl.set({"issuer": "letsEncrypt", "challenge": {"host": "gandi"}}, "warp-edge:tls")
    assert acl.changes()["tls-certificate"] == "create"
    empty = cloud.resource(SECRET, CERTIFICATE)
    assert empty
    assert not empty.get("data")
    cloud.set(SECRET, CERTIFICATE, "data", WRITTEN)
    acl.cli.text("refresh", "--stack", acl.cli.stack, "--yes", "--skip-preview")
    assert acl.planned() == {}
    acl.set({**acl.config["warp-edge:labels"], "team": "voice"}, "warp-edge:labels")
    assert acl.changes()["tls-certificate"] == "update"
    filled = cloud.resource(SECRET, CERTIFICATE)
    assert filled
    assert filled["data"] == WRITTEN
    assert filled["metadata"]["uid"] == empty["metadata"]["uid"]
    assert filled["metadata"]["labels"]["team"] == "voice"
    assert not [text for text in (*WRITTEN.values(), "the key of the certificate", TLS_TOKEN) if text in acl.state()]
