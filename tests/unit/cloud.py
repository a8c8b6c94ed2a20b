"""What stands in for the cloud in unit tests: the answers to resources and look-ups, and nothing of the program's."""

from __future__ import annotations

from itertools import count
from typing import Any

import pulumi

# live-edge.md, "Reserved static addresses" and "Database".
LIVE_ADDRESSES = {
    "kamailio-sip-udp-ip": "34.44.183.87",
    "kamailio-sip-tcp-ip": "34.55.182.145",
    "warp-nat-ip-1": "34.57.46.26",
    "warp-nat-ip-2": "35.223.15.88",
    "warp-nat-ip-3": "136.111.96.47",
}
SUBNETWORK = "projects/warp-prod/regions/us-central1/subnetworks/dual-stack"
PASSWORD = "generated-and-never-to-be-read"
NAME_SERVERS = [f"ns-cloud-a{number}.googledomains.com." for number in (1, 2, 3, 4)]
DS_RECORD = "12345 8 2 0000000000000000000000000000000000000000000000000000000000000000"
COMPUTE = "https://www.googleapis.com/compute/v1"


class Cloud(pulumi.runtime.Mocks):
    """Answers as the plugins do. `addresses` by name; others come from the documentation ranges, each once."""

    def __init__(self, project: str = "warp-prod", addresses: dict[str, str] | None = None) -> None:
        self.project = project
        self.addresses = dict(addresses or {})
        self.armor_tier: str | None = "CA_ENTERPRISE_PAYGO"
        self.checkers = ["35.187.242.246", "2600:1900:4180:dba9::"]
        self.invocations: list[tuple[str, dict[str, Any]]] = []
        self._hosts, self._hosts_ipv6 = count(1), count(1)

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        """Id and outputs: the inputs, and what only the cloud knows."""
        inputs = dict(args.inputs)
        name = inputs.get("name", args.name)
        match args.typ:
            case "gcp:compute/address:Address":
                path = f"projects/{self.project}/regions/{inputs['region']}/addresses/{name}"
                return path, inputs | {"address": self._address(name, inputs), "selfLink": f"{COMPUTE}/{path}"}
            case "gcp:dns/managedZone:ManagedZone":
                return f"projects/{self.project}/managedZones/{name}", inputs | {"nameServers": NAME_SERVERS}
            case "gcp:sql/databaseInstance:DatabaseInstance":
                return name, inputs | {
                    "connectionName": f"{self.project}:{inputs['region']}:{name}",
                    "publicIpAddress": "34.42.208.57",
                    "privateIpAddress": "10.126.0.3",
                }
            case "gcp:monitoring/notificationChannel:NotificationChannel":
                number = f"projects/{self.project}/notificationChannels/1"
                return number, inputs | {"name": number}
            case "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig":
                return f"{args.name}-id", inputs | {"uptimeCheckId": f"{args.name}-x1"}
            case "random:index/randomPassword:RandomPassword":
                return "none", inputs | {"result": PASSWORD}
            case "random:index/randomId:RandomId":
                return "q83v", inputs | {"hex": "abcdef"}
            case "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy":
                path = f"projects/{self.project}/regions/{inputs['region']}/securityPolicies/{name}"
                return path, inputs | {"selfLink": f"{COMPUTE}/{path}"}
            case "gcp:compute/projectCloudArmorTier:ProjectCloudArmorTier":
                return f"projects/{self.project}", {"cloudArmorTier": self.armor_tier}
            case _:
                return f"{args.name}-id", inputs

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        """What the cloud answers when it is asked for something that exists."""
        self.invocations.append((args.token, dict(args.args)))
        match args.token:
            case "gcp:container/getCluster:getCluster":
                return {"endpoint": "192.0.2.1", "masterAuths": [{"clusterCaCertificate": "Q0E="}]}, []
            case "gcp:dns/getKeys:getKeys":
                return {"keySigningKeys": [{"dsRecord": DS_RECORD}]}, []
            case "gcp:dns/getManagedZone:getManagedZone":
                return {"nameServers": NAME_SERVERS}, []
            case "gcp:monitoring/getUptimeCheckIPs:getUptimeCheckIPs":
                return {"uptimeCheckIps": [{"ipAddress": each, "region": "USA"} for each in self.checkers]}, []
            case unknown:
                raise AssertionError(f"the program asked the cloud for {unknown}")

    def _address(self, name: str, inputs: dict[str, Any]) -> str:
        if name not in self.addresses:
            if inputs.get("ipVersion") == "IPV6":
                self.addresses[name] = f"2001:db8::{next(self._hosts_ipv6):x}"
            else:
                self.addresses[name] = f"203.0.113.{next(self._hosts)}"
        return self.addresses[name]
