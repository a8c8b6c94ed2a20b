"""What a renewer's pod has of its cluster: one Secret at an API that enforces a Role, and what follows the Secret.

Kubernetes' own words and codes: kubernetes.io/docs/reference/using-api/api-concepts; rules of a Role:
.../reference/access-authn-authz/rbac. Here Secret and rights are this object's; `declared_secret.py` has those of a
cluster.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
import ssl
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import trustme

NAMESPACE, NAME = "warp-core", "warp-tls"
PATH: Final = re.compile(r"/api/v1/namespaces/(?P<namespace>[^/]+)/secrets/(?P<name>[^/]+)")
VERBS: Final = {"GET": "get", "PATCH": "patch"}
Rule = Mapping[str, Any]  # of a Role


def allowed(rules: Sequence[Rule], verb: str, name: str) -> bool:
    """Whether any of these rules lets a Secret of this name be accessed so."""
    return any(
        _has(rule, "apiGroups", "")
        and _has(rule, "resources", "secrets")
        and _has(rule, "verbs", verb)
        and name in (rule.get("resourceNames") or [name])
        for rule in rules
    )


def _has(rule: Rule, key: str, wanted: str) -> bool:
    return not {wanted, "*"}.isdisjoint(rule.get(key) or ())


@dataclass
class SecretApi:
    """`verbs`: of the Role, for this one Secret. `followers` see each version at once."""

    folder: Path
    host: str
    namespace: str = NAMESPACE
    name: str = NAME
    verbs: set[str] = field(default_factory=lambda: {"get", "patch"})
    data: dict[str, bytes] | None = field(default_factory=dict)
    version: int = 1
    asked: list[tuple[str, str]] = field(default_factory=list)
    followers: list[Callable[[Mapping[str, bytes]], None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self._token = secrets.token_hex(16)
        authority = trustme.CA()
        (self.folder / "token").write_text(self._token)
        authority.cert_pem.write_to_path(self.folder / "ca.crt")
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority.issue_cert(self.host).configure_cert(context)
        self._http = _server(self)
        self._http.socket = context.wrap_socket(self._http.socket, server_side=True)
        self.port = int(self._http.server_address[1])
        threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def put(self, **data: bytes | None) -> None:
        """Change keys by hand: `tls_crt` is `tls.crt`."""
        with self.lock:
            self.data = {} if self.data is None else self.data
            for key, value in data.items():
                name = key.replace("_", ".")
                if value is None:
                    self.data.pop(name, None)
                else:
                    self.data[name] = value
            self._changed()

    def delete(self) -> None:
        with self.lock:
            self.data = None

    def get(self, key: str) -> bytes:
        with self.lock:
            return (self.data or {}).get(key, b"")

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.get("account.json") or "{}")
        return found

    def rules(self) -> Sequence[Rule]:
        """Of the Roles that the pod's ServiceAccount has in the Secret's namespace."""
        named = {"resourceNames": [self.name], "verbs": sorted(self.verbs)}
        return [{"apiGroups": [""], "resources": ["secrets"], **named}]

    def _load(self) -> None:
        """Before `data` and `version` are used."""

    def _store(self) -> None:
        """After `data` was changed."""
        self.version += 1

    def _changed(self) -> None:
        self._store()
        for follow in self.followers:
            follow(self.data or {})

    def answer(self, method: str, path: str, authorization: str, kind: str, body: bytes) -> tuple[int, Any]:
        verb = VERBS.get(method, method.lower())
        self.asked.append((verb, path))
        if authorization != f"Bearer {self._token}":
            return 401, {"kind": "Status", "reason": "Unauthorized"}
        asked = PATH.fullmatch(path)
        if asked is None or asked["namespace"] != self.namespace or not allowed(self.rules(), verb, asked["name"]):
            return 403, {"kind": "Status", "reason": "Forbidden"}
        if method not in VERBS:
            return 405, {"kind": "Status", "reason": "MethodNotAllowed"}
        with self.lock:
            self._load()
            if self.data is None or asked["name"] != self.name:
                return 404, {"kind": "Status", "reason": "NotFound"}
            if verb == "patch":
                if kind != "application/merge-patch+json":
                    return 415, {"kind": "Status", "reason": "UnsupportedMediaType"}
                given = json.loads(body)
                if given["metadata"]["resourceVersion"] != str(self.version):
                    return 409, {"kind": "Status", "reason": "Conflict"}
                for key, value in given["data"].items():
                    if value is None:
                        self.data.pop(key, None)
                    else:
                        self.data[key] = base64.b64decode(value, validate=True)
                self._changed()
            encoded = {key: base64.b64encode(value).decode() for key, value in self.data.items()}
            return 200, {"kind": "Secret", "metadata": {"resourceVersion": str(self.version)}, "data": encoded}


def mount_at(mount: Path, data: Mapping[str, bytes]) -> None:
    """As the kubelet: all files of a version at once, by one rename of a symbolic link."""
    version = mount / f"..{secrets.token_hex(4)}"
    version.mkdir(parents=True)
    for key in ("tls.crt", "tls.key"):
        if key in data:
            (version / key).write_bytes(data[key])
            (version / key).chmod(0o644)
        if not (mount / key).is_symlink():
            (mount / key).symlink_to(f"..data/{key}")
    version.chmod(0o755)
    new = mount / "..data_tmp"
    new.symlink_to(version.name)
    new.rename(mount / "..data")


def _server(cluster: SecretApi) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            status, body = cluster.answer(
                self.command, self.path, self.headers.get("Authorization", ""),
                self.headers.get("Content-Type", ""), self.rfile.read(length),
            )  # fmt: skip
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PATCH = do_POST = do_PUT = do_DELETE = _serve

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer((cluster.host, 0), Handler)
    server.daemon_threads = True
    return server
