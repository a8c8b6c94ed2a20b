"""Alerts that fire and resolve in a real Prometheus, at a real proxy: some of `make alerts`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alerts.definitions import BY_NAME
from sandbox import SandboxError
from sandbox.alert_edge import AlertEdge, require_prometheus
from sandbox.alerts import SCENARIOS, Outcome, Scenario, play, shown
from tests.sip.conftest import NETWORK
from tests.unit.promtool import require_promtool

PLAYED = [each for each in SCENARIOS if each.alert in ("SipProbeFailed", "NoReloader", "CertificateNearEnd")]


@pytest.fixture(scope="module")
def edge(programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AlertEdge]:
    require_promtool()  # of the same package: fails where CI=true, skips elsewhere
    first, second, third = NETWORK.split(".")
    # Beside the addresses of the other tests of this run.
    network = f"{first}.{(int(second) + 100) % 256}.{third}"
    with AlertEdge(tmp_path_factory.mktemp("alerts"), network).running() as running:
        yield running


@pytest.mark.parametrize("scenario", PLAYED, ids=lambda scenario: scenario.alert)
def test_it_fires_when_it_is_true_and_resolves_when_it_is_over(edge: AlertEdge, scenario: Scenario) -> None:
    outcome = play(edge, scenario)
    assert not outcome.missing
    assert outcome.fired > 0
    assert not edge.firing()


def test_every_scenario_is_of_an_alert_and_is_shown() -> None:
    assert len({each.alert for each in SCENARIOS}) == len(SCENARIOS) >= 6
    assert {each.alert for each in SCENARIOS} <= BY_NAME.keys()
    table = shown([Outcome(SCENARIOS[0], missing=("warp_x",)), Outcome(SCENARIOS[1], 1, 2)])
    assert table.row_count == 2


def test_a_missing_prometheus_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SandboxError, match="apt-get install --no-install-recommends prometheus"):
        require_prometheus()
