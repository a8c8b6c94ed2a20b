"""The certificate of the SIP proxies: the Secret that has it, and who renews it."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi

from components.acl_enforcement import AclEnforcement
from components.sdk.google import ServiceAccountMember, ZoneMember
from components.sdk.kubernetes import (
    ConfigMap,
    Role,
    RoleBinding,
    Secret,
    ServiceAccount,
)
from components.tls_renewer import (
    GANDI_TOKEN,
    HMAC_KEY,
    Renewal,
    configuration,
    network_policy,
    pod,
)
from components.workload import checksum
from engine.tokens import TLS_CERTIFICATE
from plan.certificate import certificate_names
from settings import Settings
from settings.problems import PROJECT
from settings.secret_texts import TLS_DNS_TOKEN, TLS_HMAC_KEY

# docs.cloud.google.com/kubernetes-engine/docs/how-to/workload-identity: which Google service account a pod acts as.
ACTS_AS = "iam.gke.io/gcp-service-account"
MAY_ACT_AS, MAY_CHANGE_RECORDS = "roles/iam.workloadIdentityUser", "roles/dns.admin"


class TlsCertificate(pulumi.ComponentResource):
    """`warp:edge:TlsCertificate`: where the SIP proxies' certificate comes from.

    With an issuer: the Secret, created empty and filled by the renewer; the renewer's Deployment, configuration,
    credentials and rights, which are `get` and `patch` of this one Secret; and, where challenges are at Cloud DNS, its
    rights in that zone alone. It deliberately does not manage the proxies that mount the Secret, the Google service
    account, and the certificate itself: an update never reads, changes or deletes that.

    Outputs: `secret` (name), `names`.
    """

    def __init__(
        self,
        name: str,
        settings: Settings,
        acl: AclEnforcement | None,
        zone: pulumi.Resource,
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """`acl`: its Secret has the proxies' RPC token; `zone`: what has to exist before access to the challenges' zone
        can be granted. The settings let no renewer through without a reloader."""
        super().__init__(TLS_CERTIFICATE, name, None, opts)
        self._name, self._settings, self._zone = name, settings, zone
        tls, enforcement = settings.tls, settings.enforcement
        assert tls
        names = certificate_names(settings)
        if acl and tls.issuer and enforcement and enforcement.reloader:
            renewal = Renewal(settings, tls, enforcement.reloader, names, rotated=enforcement.token_rotation > 0)
            self._declare(renewal, acl)
        self.register_outputs({"secret": tls.secret, "names": list(names)})

    def _declare(self, renewal: Renewal, acl: AclEnforcement) -> None:
        name, tls, workload = self._name, renewal.tls, renewal.workload
        Secret(
            f"{name}-certificate",
            # `data` is the renewer's. A refresh reads it into the state, where it is a secret, and the plugin replaces
            # a Secret whose data changes: the certificate would be deleted.
            {"metadata": workload.metadata(tls.secret), "type": "Opaque"},
            self._options(protect=self._settings.protect, ignore_changes=["data", "stringData"]),
        )
        if renewal.at_cloud_dns:
            self._let_it_change_records(renewal)
        acts_as = {ACTS_AS: tls.service_account} if tls.service_account else None
        account = ServiceAccount(
            f"{name}-account",
            {"metadata": workload.metadata(annotations=acts_as), "automountServiceAccountToken": False},
            self._options(),
        )
        role = Role(
            f"{name}-role",
            {
                "metadata": workload.metadata(),
                "rules": [
                    {
                        "apiGroups": [""],
                        "resources": ["secrets"],
                        "resourceNames": [tls.secret],
                        "verbs": ["get", "patch"],
                    }
                ],
            },
            self._options(),
        )
        binding = RoleBinding(
            f"{name}-binding",
            {
                "metadata": workload.metadata(),
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": tls.name},
                "subjects": [
                    {"kind": "ServiceAccount", "name": tls.name, "namespace": self._settings.ingress.namespace},
                ],
            },
            self._options(depends_on=[role, account]),
        )
        files = configuration(renewal)
        ConfigMap(f"{name}-configuration", {"metadata": workload.metadata(), "data": files}, self._options())
        credentials = _credentials(renewal)
        if credentials:
            metadata = workload.metadata(f"{tls.name}-credentials")
            Secret(f"{name}-credentials", {"metadata": metadata, "stringData": credentials}, self._options())
        checksums: dict[str, pulumi.Input[str]] = {
            "checksum/config": checksum(files),
            "checksum/secret": acl.secret_checksum,
        }
        if credentials:
            found = pulumi.Output.all(**credentials).apply(checksum)
            checksums["checksum/credentials"] = pulumi.Output.secret(found)
        workload.deploy(
            f"{name}-renewer",
            pod(renewal, acl.secret, tuple(credentials)),
            checksums,
            self._options(depends_on=[binding]),
            strategy={"type": "Recreate"},  # two at a time would order two certificates
        )
        if renewal.reloader.network_policies:
            workload.restrict(f"{name}-network", network_policy(renewal), self._options())
        if renewal.reloader.pod_monitoring:
            workload.monitor(f"{name}-monitoring", self._options())

    def _let_it_change_records(self, renewal: Renewal) -> None:
        """At Cloud DNS: the pod acts as a Google service account, which may change the records of one zone."""
        account, project = renewal.tls.service_account or "", self._settings.project
        pod_of = f"{self._settings.ingress.namespace}/{renewal.tls.name}"
        ZoneMember(
            f"{self._name}-zone",
            {
                "project": project,
                "managedZone": renewal.zone,
                "role": MAY_CHANGE_RECORDS,
                "member": f"serviceAccount:{account}",
            },
            self._options(depends_on=[self._zone]),
        )
        ServiceAccountMember(
            f"{self._name}-identity",
            {
                "serviceAccountId": f"projects/{_project_of(account)}/serviceAccounts/{account}",
                "role": MAY_ACT_AS,
                "member": f"serviceAccount:{project}.svc.id.goog[{pod_of}]",
            },
            self._options(),
        )

    def _options(
        self,
        *,
        protect: bool = False,
        ignore_changes: list[str] | None = None,
        depends_on: Sequence[pulumi.Resource] | None = None,
    ) -> pulumi.ResourceOptions:
        return pulumi.ResourceOptions(
            parent=self, protect=protect, ignore_changes=ignore_changes, depends_on=depends_on
        )


def _credentials(renewal: Renewal) -> dict[str, pulumi.Output[str]]:
    """File name to content, as secrets. The settings have checked that each is there."""
    config = pulumi.Config(PROJECT)
    wanted = {} if renewal.at_cloud_dns else {GANDI_TOKEN: TLS_DNS_TOKEN}
    if renewal.tls.external_account_key_id:
        wanted[HMAC_KEY] = TLS_HMAC_KEY
    return {file: pulumi.Output.secret(config.require_secret(key).apply(str.strip)) for file, key in wanted.items()}


def _project_of(account: str) -> str:
    """In the address PROJECT, or PROJECT.DOMAIN for DOMAIN:PROJECT, a project of a domain."""
    project, _, domain = account.partition("@")[2].removesuffix(".iam.gserviceaccount.com").partition(".")
    return f"{domain}:{project}" if domain else project
