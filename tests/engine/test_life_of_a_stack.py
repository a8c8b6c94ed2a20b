"""Up, preview, refresh, drift, destroy."""

from __future__ import annotations

import json
from pathlib import Path

import psycopg
from dns import message, query

from sandbox import Sandbox
from tests.engine.conftest import Stack
from verify.__main__ import main as verify

RECORD = "gcp:dns/recordSet:RecordSet"
SIP_A = "projects/warp-sandbox/managedZones/ringer-tel/rrsets/sip.ringer.tel./A"


def test_a_second_preview_shows_no_change(edge: Stack) -> None:
    assert edge.planned() == {}


def test_a_second_up_changes_nothing(edge: Stack, cloud: Sandbox) -> None:
    before = len(cloud.writes())
    edge.up()
    assert len(cloud.writes()) == before


def test_refresh_finds_no_drift(edge: Stack) -> None:
    edge.cli.text("refresh", "--stack", edge.cli.stack, "--yes", "--skip-preview", "--expect-no-changes")


def test_the_zone_answers_with_the_ingress_address(edge: Stack, cloud: Sandbox) -> None:
    host, port = cloud.dns_endpoint()
    inventory = edge.cli.outputs()["ipInventory"]["addresses"]
    udp = next(address["address"] for address in inventory if address["name"] == "kamailio-sip-udp-ip")
    answer = query.udp(message.make_query("sip.ringer.tel", "A"), host, port=port, timeout=5)
    assert [record.to_text() for record in answer.answer[0]] == [udp]


def test_the_promise_holds_from_outside_until_somebody_changes_a_record_by_hand(
    edge: Stack, cloud: Sandbox, tmp_path: Path
) -> None:
    """docs/verify.md, on the outputs as the engine gives them."""
    file, (host, port) = tmp_path / "outputs.json", cloud.dns_endpoint()
    file.write_text(json.dumps(edge.cli.outputs()))
    places = ["--resolver", f"{host}:{port}", "--authority", f"{host}:{port}"]
    verified = ["--outputs", str(file), "--only", "dns", *places]
    assert verify(verified) == 0
    right = cloud.resource(RECORD, SIP_A)["rrdatas"]
    cloud.set(RECORD, SIP_A, "rrdatas", ["127.9.9.9"])
    assert verify(verified) == 3
    cloud.set(RECORD, SIP_A, "rrdatas", right)
    assert verify(verified) == 0


def test_the_database_lets_its_user_in_over_tls_and_nobody_in_without(edge: Stack) -> None:
    shown = edge.cli.text("stack", "output", "database", "--json", "--show-secrets", "--stack", edge.cli.stack)
    database = json.loads(shown)
    where = {
        "host": database["publicAddress"],
        "port": database["port"],
        "dbname": database["name"],
        "user": database["user"],
        "password": database["password"],
    }
    with psycopg.connect(**where, sslmode="require") as connection:
        assert connection.execute("select current_user").fetchone() == ("warp_edge",)
    try:
        psycopg.connect(**where, sslmode="disable").close()
    except psycopg.OperationalError as error:
        assert "encryption" in str(error)
    else:
        raise AssertionError("an unencrypted connection was let in")


def test_no_secret_is_in_clear_in_state_or_output(edge: Stack) -> None:
    shown = edge.cli.text("stack", "output", "database", "--json", "--show-secrets", "--stack", edge.cli.stack)
    password = json.loads(shown)["password"]
    assert len(password) >= 32
    assert password not in edge.state()
    assert password not in json.dumps(edge.cli.outputs())
    assert edge.cli.outputs()["database"]["password"] == "[secret]"


def test_a_hand_made_change_is_found_by_refresh_and_put_right_by_up(edge: Stack, cloud: Sandbox) -> None:
    right = cloud.resource(RECORD, SIP_A)["rrdatas"]
    cloud.set(RECORD, SIP_A, "rrdatas", ["127.9.9.9"])
    found = edge.cli.text("refresh", "--stack", edge.cli.stack, "--yes", "--skip-preview", "--diff")
    assert "127.9.9.9" in found
    assert edge.planned() == {"dns-sip-a": "update"}
    edge.up()
    assert cloud.resource(RECORD, SIP_A)["rrdatas"] == right


def test_destroy_is_refused_while_protected_and_works_when_not(edge: Stack, cloud: Sandbox) -> None:
    edge.set(True, "warp-edge:protect")
    edge.up()
    refused = edge.failing("destroy", "--yes", "--skip-preview")
    assert "protected" in refused
    assert cloud.resource(RECORD, SIP_A)
    edge.set(False, "warp-edge:protect")
    edge.up()
    edge.cli.text("destroy", "--stack", edge.cli.stack, "--yes", "--skip-preview")
    assert cloud.resources("gcp:compute/address:Address") == []
