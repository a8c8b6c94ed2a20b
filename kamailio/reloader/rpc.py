"""JSON-RPC over HTTP to one proxy's port of rpc.cfg."""

from __future__ import annotations

import http.client
import json
from typing import Any


class RpcError(Exception):
    """A call that was not done, in one line; never with the token in it."""


class Refused(RpcError):
    """The proxy answered, and its answer was no."""


class Rpc:
    """One proxy. A call is a connection of its own: they are few, and a proxy that restarts leaves none half open."""

    def __init__(self, host: str, port: int, token: str, seconds: float) -> None:
        self.host, self.port, self.seconds = host, port, seconds
        self._token = token

    def call(self, method: str, *parameters: str, seconds: float | None = None) -> Any:
        """The call's result. Raises `Refused` for an error of Kamailio's, `RpcError` when there is no answer."""
        request = {"jsonrpc": "2.0", "method": method, "params": list(parameters), "id": 1}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds or self.seconds)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request("POST", "/", json.dumps(request), headers)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise RpcError(f"{method}: no answer: {error or type(error).__name__}") from None
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.FORBIDDEN:
            raise RpcError(f"{method}: the proxy refuses the token; WARP_ACL_RPC_TOKEN must be the same on both sides")
        try:
            said = json.loads(body)
        except ValueError:
            raise RpcError(f"{method}: HTTP {answer.status} with an answer that is no JSON") from None
        if "error" in said:
            raise Refused(f"{method}: {said['error'].get('message', said['error'])}")
        return said.get("result")
