"""The cluster that a kubeconfig or a context selects."""

from __future__ import annotations

import pytest
import yaml

from local_cloud.cloud import Cloud
from local_cloud.kubernetes.provider import KubernetesProvider
from tests.local_cloud.plugin import Plugin, Props, Refused
from tests.local_cloud.test_services import SERVICE, WAIT, service


@pytest.fixture
def config(cloud: Cloud) -> Props:
    from local_cloud.gcp.addresses import CLUSTER
    from local_cloud.kubernetes.clusters import kubeconfig

    with cloud.view() as tx:
        return kubeconfig([one.body for one in tx.all(CLUSTER)])


def test_a_kubeconfig_leads_to_its_cluster_or_says_why_not(kubernetes: Plugin, config: Props) -> None:
    inline = kubernetes.another(kubeconfig=yaml.safe_dump(config))
    inline.create(SERVICE, "sip", service(annotations=WAIT))
    config["clusters"][0]["cluster"]["server"] = "https://192.0.2.1"
    elsewhere = kubernetes.another(kubeconfig=yaml.safe_dump(config))
    with pytest.raises(Refused, match=r"unable to connect to the server https://192.0.2.1"):
        elsewhere.create(SERVICE, "two", service("two", annotations=WAIT))
    nowhere = kubernetes.another(context="no-such-context")
    with pytest.raises(Refused, match='context "no-such-context" does not exist'):
        nowhere.create(SERVICE, "two", service("two", annotations=WAIT))


def test_a_kubeconfig_that_does_not_parse_and_keys_that_do_not_exist_are_refused(cloud: Cloud) -> None:
    provider = KubernetesProvider(cloud)
    assert "failed to parse kubeconfig" in provider.check_config({"kubeconfig": "a: [b\nc: d"}).failures[0].reason
    assert "not a kubeconfig" in provider.check_config({"kubeconfig": "just: words\nand: more"}).failures[0].reason
    assert "unknown key `kubeconf`" in provider.check_config({"kubeconf": "x"}).failures[0].reason


def test_only_another_cluster_replaces_what_is_in_it(cloud: Cloud, config: Props) -> None:
    provider = KubernetesProvider(cloud)
    there = {"kubeconfig": yaml.safe_dump(config)}
    assert provider.diff_config(there, there).changes == ()
    assert not any(change.replace for change in provider.diff_config({}, there).changes)
