"""Pod Security Standards, profile `restricted`, as a check of a pod's spec.

Written from the table of controls in Kubernetes' documentation (docs/concepts/security/pod-security-standards, v1.33),
`baseline` included, and from nothing of this program's. What has no meaning without Windows is left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Spec = dict[str, Any]
# Baseline: "Capabilities"; restricted allows only the last to be added.
BASELINE_CAPABILITIES = {
    "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
}  # fmt: skip
RESTRICTED_CAPABILITIES = {"NET_BIND_SERVICE"}
SAFE_SYSCTLS = {
    "kernel.shm_rmid_forced", "net.ipv4.ip_local_port_range", "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range", "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time", "net.ipv4.tcp_fin_timeout", "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}  # fmt: skip
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
PROFILES = {"RuntimeDefault", "Localhost"}
SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


def violations(spec: Spec) -> list[str]:
    """What the admission controller would refuse, one control each."""
    pod = spec.get("securityContext") or {}
    found = [f"{name}: true" for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
    for volume in spec.get("volumes") or ():
        found += [f"volume {name}" for name in volume if name != "name" and name not in VOLUMES]
    found += [f"sysctl {one['name']}" for one in pod.get("sysctls") or () if one["name"] not in SAFE_SYSCTLS]
    found += _identity(pod, "pod", whole=False)
    for kind in ("containers", "initContainers", "ephemeralContainers"):
        for container in spec.get(kind) or ():
            found += _container(container, pod)
    return found


def _container(container: Spec, pod: Spec) -> Iterator[str]:
    name, own = container["name"], container.get("securityContext") or {}
    if own.get("privileged"):
        yield f"{name}: privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield f"{name}: allowPrivilegeEscalation"
    capabilities = own.get("capabilities") or {}
    if "ALL" not in (capabilities.get("drop") or ()):
        yield f"{name}: capabilities are not dropped"
    if added := set(capabilities.get("add") or ()) - (BASELINE_CAPABILITIES & RESTRICTED_CAPABILITIES):
        yield f"{name}: adds {min(added)}"
    if own.get("procMount") not in (None, "Default"):
        yield f"{name}: procMount"
    for port in container.get("ports") or ():
        if port.get("hostPort"):
            yield f"{name}: hostPort"
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        if ((container.get(probe) or {}).get("httpGet") or {}).get("host"):
            yield f"{name}: {probe} of another host"
    # A container's own value wins over the pod's.
    yield from _identity({**pod, **own}, name, whole=True)


def _identity(context: Spec, where: str, *, whole: bool) -> Iterator[str]:
    profile = (context.get("seccompProfile") or {}).get("type")
    if profile not in PROFILES and (whole or profile):
        yield f"{where}: seccompProfile"
    if context.get("runAsNonRoot") is not True and (whole or "runAsNonRoot" in context):
        yield f"{where}: runAsNonRoot"
    if context.get("runAsUser") == 0:
        yield f"{where}: runAsUser 0"
    selinux = context.get("seLinuxOptions") or {}
    if selinux.get("type", "") not in SELINUX_TYPES or selinux.get("user") or selinux.get("role"):
        yield f"{where}: seLinuxOptions"
    if (context.get("appArmorProfile") or {}).get("type", "RuntimeDefault") not in PROFILES:
        yield f"{where}: appArmorProfile"
