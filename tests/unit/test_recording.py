"""The tests' own instrument: what it must notice, or every other test here proves nothing."""

from __future__ import annotations

import os

import pulumi
import pulumi_random
import pytest

from tests.stacks import changed, stack_config
from tests.unit.cloud import PASSWORD, Cloud
from tests.unit.recording import HIDDEN, declare, run


def test_an_apply_that_fails_ends_the_run() -> None:
    def body() -> None:
        pulumi.Output.from_input("1").apply(lambda text: text / 2)  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        run(body)


def test_an_apply_on_a_resource_that_fails_ends_the_run() -> None:
    def body() -> None:
        pulumi_random.RandomPassword("p", length=8).result.apply(lambda text: text / 2)  # type: ignore[operator]

    with pytest.raises(TypeError, match="unsupported operand"):
        run(body)


def test_an_unexpected_look_up_ends_the_run() -> None:
    with pytest.raises(Exception, match="the program asked the cloud for gcp:unheard/of:of"):
        run(lambda: pulumi.export("x", pulumi.runtime.invoke_output("gcp:unheard/of:of", {})))


def test_a_secret_that_leaves_in_clear_is_seen() -> None:
    def body() -> None:
        password = pulumi_random.RandomPassword("p", length=8).result
        pulumi.export("kept", password)
        pulumi.export("leaked", pulumi.Output.unsecret(password))

    edge = run(body)
    assert edge.outputs == {"kept": PASSWORD, "leaked": PASSWORD}
    assert edge.clear_outputs == {"kept": HIDDEN, "leaked": PASSWORD}


def test_a_secret_hides_inside_groups_and_lists() -> None:
    edge = run(lambda: pulumi.export("group", {"list": [{"secret": pulumi.Output.secret(PASSWORD), "open": 1}]}))
    assert edge.clear_outputs == {"group": {"list": [{"secret": HIDDEN, "open": 1}]}}


def test_a_run_knows_nothing_of_the_run_before() -> None:
    def body() -> None:
        pulumi_random.RandomPassword("p", length=8)
        pulumi.export("x", 1)

    before = dict(os.environ)
    first = run(body)
    second = declare(stack_config("prod"))
    assert [each.name for each in first.resources] == ["p"]
    assert "p" not in {each.name for each in second.resources}
    assert "x" not in second.outputs
    assert dict(os.environ) == before


def test_a_wrong_setting_ends_the_program_before_anything_is_declared() -> None:
    class Untouched(Cloud):
        def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, object]]:
            raise AssertionError(f"{args.name} was declared")

    wrong = changed(stack_config("prod"), ("warp-edge:dns", "ttlSeconds"), 60)
    with pytest.raises(pulumi.RunError, match=r"warp-edge:dns\.ttlSeconds = 60"):
        declare(wrong, cloud=Untouched())
