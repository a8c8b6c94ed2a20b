"""Resource type tokens, as the engine writes them in states, steps and URNs; each is defined only here, those of
record sets in `dns_hosts.py`.

Those of components and dynamic resources are this program's own, and part of every state.
"""

from engine.dns_hosts import HOSTS, OF_RECORD_SET

STACK = "pulumi:pulumi:Stack"

ADDRESS = "gcp:compute/address:Address"
GLOBAL_ADDRESS = "gcp:compute/globalAddress:GlobalAddress"
ROUTER = "gcp:compute/router:Router"
NAT = "gcp:compute/routerNat:RouterNat"
FIREWALL = "gcp:compute/firewall:Firewall"
FIREWALL_POLICY_RULES = frozenset(
    f"gcp:compute/{kind[0].lower()}{kind[1:]}:{kind}"
    for kind in ("FirewallPolicyRule", "NetworkFirewallPolicyRule", "RegionNetworkFirewallPolicyRule")
)
SECURITY_POLICY = "gcp:compute/regionSecurityPolicy:RegionSecurityPolicy"
EDGE_SECURITY_SERVICE = "gcp:compute/networkEdgeSecurityService:NetworkEdgeSecurityService"
ARMOR_TIER = "gcp:compute/projectCloudArmorTier:ProjectCloudArmorTier"
HEALTH_CHECK = "gcp:compute/healthCheck:HealthCheck"
CONNECTION = "gcp:servicenetworking/connection:Connection"
ZONE = "gcp:dns/managedZone:ManagedZone"
RECORD_SET, GANDI_RECORD_SET = HOSTS["cloud-dns"].record_set, HOSTS["gandi"].record_set
RECORD_SETS = frozenset(OF_RECORD_SET)
INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
DATABASE = "gcp:sql/database:Database"
USER = "gcp:sql/user:User"
BUCKET = "gcp:storage/bucket:Bucket"
BUCKET_OBJECT = "gcp:storage/bucketObject:BucketObject"
BUCKET_MEMBER = "gcp:storage/bucketIAMMember:BucketIAMMember"
BUCKET_BINDING = "gcp:storage/bucketIAMBinding:BucketIAMBinding"
ZONE_MEMBER = "gcp:dns/dnsManagedZoneIamMember:DnsManagedZoneIamMember"
SERVICE_ACCOUNT_MEMBER = "gcp:serviceaccount/iAMMember:IAMMember"
ALERT_POLICY = "gcp:monitoring/alertPolicy:AlertPolicy"
NOTIFICATION_CHANNEL = "gcp:monitoring/notificationChannel:NotificationChannel"
UPTIME_CHECK = "gcp:monitoring/uptimeCheckConfig:UptimeCheckConfig"
DASHBOARD = "gcp:monitoring/dashboard:Dashboard"

SERVICE = "kubernetes:core/v1:Service"
CONFIG_MAP = "kubernetes:core/v1:ConfigMap"
KUBERNETES_SECRET = "kubernetes:core/v1:Secret"  # noqa: S105
SERVICE_ACCOUNT = "kubernetes:core/v1:ServiceAccount"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
ROLE_BINDING = "kubernetes:rbac.authorization.k8s.io/v1:RoleBinding"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
DISRUPTION_BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
POD_MONITORING = "kubernetes:monitoring.googleapis.com/v1:PodMonitoring"

TRUNK_ACL = "pulumi-python:dynamic/warp:TrunkAcl"

# Components.
NAT_EGRESS_POOL = "warp:edge:NatEgressPool"
SIP_INGRESS = "warp:edge:SipIngress"
DEDICATED_INGRESS = "warp:edge:DedicatedIngress"
SIP_DNS = "warp:edge:SipDns"
TRUNK_DATABASE = "warp:edge:TrunkDatabase"
TRUNK_ACL_SCHEMA = "warp:edge:TrunkAclSchema"
ACL_ENFORCEMENT = "warp:edge:AclEnforcement"
TLS_CERTIFICATE = "warp:edge:TlsCertificate"
EDGE_PROTECTION = "warp:edge:EdgeProtection"
INVENTORY_SITE = "warp:edge:InventorySite"
EDGE_ALERTS = "warp:edge:EdgeAlerts"


def type_of(urn: str) -> str:
    """`gcp:compute/address:Address`, without the types of the parents before it."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def logical_name(urn: str) -> str:
    """The logical name in a URN."""
    return urn.split("::", 3)[3]


def within(urn: str, component: str) -> bool:
    """Whether the resource is inside a component of this type."""
    return f"{component}$" in urn
