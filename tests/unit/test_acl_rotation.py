"""Logins and the RPC token that take turns: what a rotation changes, keeps and refuses."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import acl_enforcement
from components.trunk_acl.schema import refuse_skipped_rotation
from engine import record
from engine.refusal import RefusedError
from engine.tokens import ACL_ENFORCEMENT
from settings import Settings
from tests.stacks import as_engine_gives_it, changed
from tests.unit.cloud import Cloud
from tests.unit.recording import HIDDEN, Edge, declare, declare_once
from tests.unit.test_trunk_acl import ACL, DEPLOYMENT, PROXY, SECRET, by_iam, one, with_acl

PASSWORD = "random:index/randomPassword:RandomPassword"


class Passwords(Cloud):
    """Every password is another one, and stays the same."""

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        if args.typ == PASSWORD:
            return "none", {**args.inputs, "result": f"of-{args.name}"}
        return super().new_resource(args)


def rotated(rotation: int, **more: Any) -> Edge:
    return declare(with_acl("signIn", value={"rotation": rotation, **more}), cloud=Passwords("warp-sandbox"))


def signs_in(edge: Edge) -> tuple[str, str]:
    """Role and password in the proxies' URL."""
    url = one(edge, SECRET).inputs["stringData"]["WARP_ACL_DB_URL"]
    role, _, password = url.removeprefix("postgres://").partition("@")[0].partition(":")
    return role, password


def given(edge: Edge) -> dict[str, str | None]:
    """Role to the password that the database is told; None may not sign in."""
    inputs = one(edge, ACL).inputs
    found = {"warp_acl_reader": inputs.get("readerPassword")}
    if inputs["signIn"].get("rotation"):
        found["warp_acl_reader_b"] = inputs.get("secondReaderPassword")
    return found


def test_credentials_of_before_a_rotation_stay_valid_beside_the_new_ones() -> None:
    edges = [rotated(number) for number in range(4)]
    logins = [signs_in(edge) for edge in edges]
    assert [role for role, _ in logins] == [
        "warp_acl_reader", "warp_acl_reader_b", "warp_acl_reader", "warp_acl_reader_b",
    ]  # fmt: skip
    for before, now, edge in zip(logins, logins[1:], edges[1:], strict=False):
        assert given(edge) == dict([before, now]), "the last two, each with its password"
    assert len({password for _, password in logins}) == 4
    for edge, login in zip(edges, logins, strict=True):
        assert (edge.outputs["trunkAcl"]["reader"], edge.outputs["trunkAcl"]["readerPassword"]) == login


def test_without_a_rotation_nothing_is_declared_that_stacks_of_before_do_not_have() -> None:
    edge = declare_once(with_acl())
    assert [each.name for each in edge.of_type(PASSWORD) if "reader" in each.name] == ["trunk-acl-reader-password"]
    assert one(edge, ACL).inputs["signIn"] == {"readers": [], "writers": []}
    assert "secondReaderPassword" not in one(edge, ACL).inputs


@pytest.mark.parametrize("rotation", [1, 2, 3])
def test_credentials_that_are_not_kept_no_longer_sign_in(rotation: int) -> None:
    edge = rotated(rotation, keepPrevious=False)
    login, password = signs_in(edge)
    other = {"warp_acl_reader", "warp_acl_reader_b"} - {login}
    assert given(edge) == {login: password, other.pop(): None}
    assert signs_in(rotated(rotation)) == (login, password), "which are the same as before"


def test_neither_login_keeps_its_password_when_readers_sign_in_by_iam() -> None:
    config = by_iam(("address", "127.0.0.1"), ("reloader.databaseProxy", PROXY))
    edge = declare(changed(config, ("warp-edge:trunkAcl", "signIn", "rotation"), 1))
    assert given(edge) == {"warp_acl_reader": None, "warp_acl_reader_b": None}


def test_a_locked_password_is_never_removed_and_those_of_rotations_can_be() -> None:
    locked: dict[str, set[bool]] = {}
    for rotation in range(4):
        config = with_acl("signIn", value={"rotation": rotation}, stack="prod")
        for each in declare(config).of_type(PASSWORD):
            if "reader" in each.name:
                locked.setdefault(each.name, set()).add(each.protect)
    assert locked == {"trunk-acl-reader-password": {True}} | {
        f"trunk-acl-reader-password-{number}": {False} for number in (1, 2, 3)
    }


def test_a_rotation_rolls_the_reloader_and_shows_no_password() -> None:
    edges = [rotated(0), rotated(1), rotated(1, keepPrevious=False)]
    sums = [
        one(edge, DEPLOYMENT).inputs["spec"]["template"]["metadata"]["annotations"]["checksum/secret"] for edge in edges
    ]
    assert sums[0] != sums[1] == sums[2]
    acl = one(edges[1], ACL)
    assert [acl.clear[key] for key in ("readerPassword", "secondReaderPassword")] == [HIDDEN] * 2


@pytest.mark.parametrize(("before", "now"), [(0, 2), (1, 0), (3, 1), (1, 7)])
def test_a_rotation_that_would_change_the_login_in_use_is_refused(before: int, now: int) -> None:
    config = with_acl("signIn", value={"rotation": now})
    acl = Settings.parse(as_engine_gives_it(config)).trunk_acl
    with pytest.raises(RefusedError, match=f"rotation goes from {before} to {now}: .*\n?.*set it to {before + 1}"):
        refuse_skipped_rotation(acl, before)


def test_a_rotation_that_does_not_keep_the_login_in_use_is_refused() -> None:
    config = with_acl("signIn", value={"rotation": 2, "keepPrevious": False})
    acl = Settings.parse(as_engine_gives_it(config)).trunk_acl
    with pytest.raises(RefusedError, match=r"(?s)rotation goes from 1 to 2 with keepPrevious: false: .*take .* out"):
        refuse_skipped_rotation(acl, 1)
    refuse_skipped_rotation(acl, 2)
    refuse_skipped_rotation(acl, None)


@pytest.mark.parametrize(("before", "now"), [(None, 0), (None, 3), (0, 0), (0, 1), (4, 4), (4, 5)])
def test_one_step_and_a_first_deployment_are_not_refused(before: int | None, now: int) -> None:
    config = with_acl("signIn", value={"rotation": now})
    refuse_skipped_rotation(Settings.parse(as_engine_gives_it(config)).trunk_acl, before)


# --- the RPC token ----------------------------------------------------------------------------------------------------


def with_token(rotation: int) -> Edge:
    return declare(with_acl("enforcement", "tokenRotation", value=rotation), cloud=Passwords("warp-sandbox"))


def tokens(edge: Edge) -> tuple[Any, Any]:
    given = edge.named("acl-enforcement-credentials").inputs["stringData"]
    return given.get("WARP_ACL_RPC_TOKEN"), given.get("WARP_ACL_RPC_TOKEN_BEFORE")


def test_after_a_rotation_the_reloader_has_the_token_of_before_too() -> None:
    name = "of-acl-enforcement-token"
    assert [tokens(with_token(number)) for number in range(3)] == [
        (name, None), (f"{name}-1", name), (f"{name}-2", f"{name}-1"),
    ]  # fmt: skip
    hidden = with_token(1).named("acl-enforcement-credentials").clear
    assert hidden["stringData"] == HIDDEN


@pytest.mark.parametrize(("before", "now"), [(0, 2), (1, 0), (3, 1)])
def test_a_token_that_no_proxy_would_take_is_refused(before: int, now: int) -> None:
    enforcement = Settings.parse(as_engine_gives_it(with_acl("enforcement", "tokenRotation", value=now))).enforcement
    with pytest.raises(RefusedError, match=f"tokenRotation goes from {before} to {now}: .*\n?.*set it to {before + 1}"):
        acl_enforcement.refuse_skipped_token(enforcement, before)
    for fine in (None, now, now - 1):
        acl_enforcement.refuse_skipped_token(enforcement, fine)
    acl_enforcement.refuse_skipped_token(None, before)


@pytest.mark.parametrize(("names", "found"), [((), None), (("token",), 0), (("token-9", "token-10"), 10)])
def test_the_record_has_the_rotation_of_the_token(
    names: tuple[str, ...], found: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    urn = f"urn:pulumi:s::p::{ACL_ENFORCEMENT}${PASSWORD}::acl-enforcement-"
    state = {f"{urn}{name}": {"type": PASSWORD, "outputs": {}} for name in (*names, "tokens-of-others")}
    monkeypatch.setattr(record, "_read", lambda *_: state)
    monkeypatch.setattr("pulumi.get_organization", lambda: "o")
    assert record.last_update().token == found
