"""The one Secret, through the Kubernetes API with the pod's ServiceAccount: read and patched, never made.

docs: kubernetes.io/docs/tasks/run-application/access-api-from-pod, .../reference/using-api/api-concepts
("application/merge-patch+json", `resourceVersion`).
"""

from __future__ import annotations

import base64
import binascii
import http
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import requests

from kamailio.renewer.failures import Failure

# Each below the minute after which the main loop counts as standing still.
TIMEOUT: Final = (5.0, 20.0)


class GoneError(Failure):
    """There is no such Secret."""


class ChangedError(Failure):
    """It is no longer the version that was read."""


@dataclass(frozen=True)
class Content:
    """What a version of it holds."""

    version: str
    data: Mapping[str, bytes]


class Secret:
    """Named by namespace and name. Everything raises `Failure` of cause `secret`."""

    def __init__(self, server: str, mount: Path, namespace: str, name: str) -> None:
        self.name = f"{namespace}/{name}"
        self._url = f"{server}/api/v1/namespaces/{namespace}/secrets/{name}"
        self._mount = mount

    def read(self) -> Content:
        """Raises `GoneError` where it was deleted."""
        return self._content(self._ask("GET"))

    def write(self, data: Mapping[str, bytes | None], version: str) -> Content:
        """Replace these keys, or remove them (None), and only of that version: raises `ChangedError` for another."""
        encoded = {key: None if each is None else base64.b64encode(each).decode() for key, each in data.items()}
        return self._content(self._ask("PATCH", {"metadata": {"resourceVersion": version}, "data": encoded}))

    def _ask(self, method: str, body: Mapping[str, Any] | None = None) -> Any:
        try:
            # Read each time: the kubelet replaces the token long before the pod ends.
            token = (self._mount / "token").read_text(encoding="utf-8").strip()
            answer = requests.request(
                method,
                self._url,
                json=body,
                headers={
                    "Authorization": f"Bearer {token}",
                    **({"Content-Type": "application/merge-patch+json"} if body else {}),
                },
                verify=str(self._mount / "ca.crt"),
                timeout=TIMEOUT,
            )
        except (OSError, requests.RequestException) as error:
            raise Failure("secret", f"the Kubernetes API does not answer: {_short(error)}") from None
        if answer.status_code == http.HTTPStatus.NOT_FOUND:
            raise GoneError(
                "secret",
                f"Secret {self.name} does not exist; it may only be patched from here: run `pulumi up --refresh`, which"
                " makes it again; what it held is put back",
            )
        if answer.status_code == http.HTTPStatus.CONFLICT:
            raise ChangedError("secret", f"Secret {self.name} was changed meanwhile")
        if answer.status_code in (http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN):
            raise Failure(
                "secret",
                f"{method} of Secret {self.name} is refused ({answer.status_code}); the ServiceAccount needs a Role"
                " with get and patch of it",
            )
        if not answer.ok:
            raise Failure("secret", f"{method} of Secret {self.name}: HTTP {answer.status_code}")
        try:
            return answer.json()
        except ValueError:
            raise Failure("secret", f"{method} of Secret {self.name}: an answer that is no JSON") from None

    def _content(self, given: Any) -> Content:
        try:
            data = {key: base64.b64decode(each) for key, each in (given.get("data") or {}).items()}
            return Content(str(given["metadata"]["resourceVersion"]), data)
        except (KeyError, TypeError, AttributeError, binascii.Error):
            raise Failure("secret", f"Secret {self.name}: an answer that is no Secret") from None


def _short(error: Exception) -> str:
    """Without the request that it was made of."""
    return str(getattr(error, "reason", "") or error).split("\n", 1)[0][:200] or type(error).__name__
