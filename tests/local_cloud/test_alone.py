"""The cloud without this product: its commands, and a small program that the real engine deploys to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.stacks import ROOT

PROGRAM = """
import pulumi
import pulumi_gcp as gcp
import pulumi_kubernetes as kubernetes

address = gcp.compute.Address("front", name="front")
cluster = kubernetes.Provider("cluster", kubeconfig=pulumi.Config().require("kubeconfig"))
service = kubernetes.core.v1.Service(
    "front",
    metadata={"name": "front", "namespace": "shop"},
    spec={
        "type": "LoadBalancer",
        "loadBalancerIP": address.address,
        "selector": {"app": "web"},
        "ports": [{"port": 80}],
    },
    opts=pulumi.ResourceOptions(provider=cluster),
)
pulumi.export("reserved", address.address)
pulumi.export("serving", service.status.load_balancer.ingress[0].ip)
"""


def run(*command: str, folder: Path, **environment: str) -> str:
    path = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ["PATH"], str(ROOT / ".engine" / "bin")])
    own = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    given = {**own, "PATH": path, "PYTHONPATH": str(ROOT), "PULUMI_SKIP_UPDATE_CHECK": "1", **environment}
    done = subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_program_of_a_few_lines_is_deployed_and_destroyed(tmp_path: Path) -> None:
    def cloud(*arguments: str) -> str:
        return run(sys.executable, "-m", "local_cloud", "--dir", str(tmp_path / "cloud"), *arguments, folder=tmp_path)

    started = cloud("start", "--network", "127.92.0.0/16", "--dns-port", "0", "--storage-port", "0")
    try:
        assert started.startswith("started")
        assert "local-project (us-central1)" in started
        cloud("cluster", "main")
        cloud("workload", "main", "shop", "web")
        cloud("gandi-domain", "shop.example")
        assert cloud("dns-query", "shop.example", "SOA", "--gandi").startswith("ns-1-a.gandi.net.")

        environment = dict(re.findall("export (.+?)=(.*)", cloud("env")))
        environment |= {"PULUMI_BACKEND_URL": f"file://{tmp_path}", "PULUMI_CONFIG_PASSPHRASE": "x"}
        environment["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
        (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
        (tmp_path / "__main__.py").write_text(PROGRAM)

        def pulumi(*arguments: str) -> str:
            return run("pulumi", *arguments, "--stack", "alone", folder=tmp_path, **environment)

        pulumi("stack", "init")
        settings = {"gcp:project": "local-project", "gcp:region": "us-central1"}
        settings["shop:kubeconfig"] = str(tmp_path / "cloud" / "kubeconfig")
        pulumi("config", "set-all", *(f"--plaintext={key}={value}" for key, value in settings.items()))
        pulumi("up", "--yes", "--skip-preview")
        outputs = json.loads(pulumi("stack", "output", "--json"))
        assert outputs["serving"] == outputs["reserved"]
        assert outputs["reserved"].startswith("127.92.")
        pulumi("destroy", "--yes", "--skip-preview")
        assert [row["op"] for row in json.loads(cloud("log", "--writes", "--json")) if row["who"] == "engine"] == [
            "create",
            "create",
            "delete",
            "delete",
        ]
        cloud("stop")
        assert cloud("stop") == "was not running\n"
    finally:
        cloud("destroy")
    assert not (tmp_path / "cloud" / "cloud.db").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["status"], "local_cloud: no cloud is running in {}; start one with `python -m local_cloud start`"),
        (["resources"], "local_cloud: no cloud in {}"),
    ],
)
def test_what_needs_a_cloud_says_how_to_get_one(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "local_cloud", "--dir", str(tmp_path), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (1, words.format(tmp_path))
