"""JSON-RPC to one proxy's port of rpc.cfg: in datagrams, or over HTTP to one that was started before there were any."""

from __future__ import annotations

import http.client
import json
from time import monotonic
from typing import Any

from kamailio.reloader import datagram


class RpcError(Exception):
    """A call that was not done, in one line; never with the token in it."""


class Refused(RpcError):
    """The proxy answered, and its answer was no."""


class Rpc:
    """One proxy. Datagrams, unless it takes none.

    Silence alone does not say that: the process that takes datagrams may be doing a reload, also another reloader's.
    (rpc.cfg does one call at a time, but proxies keep the fragment that they were started with, and two reloads at a
    time can crash Kamailio.) So HTTP is tried where a datagram is refused, or where none was answered for `seconds`,
    the longest reload, since this was made; never after an answered one.

    `before`: the token before the last rotation, empty for none. A proxy takes the one that it was started with, and
    does nothing with the other; so the other is tried where one is refused.
    """

    def __init__(
        self, host: str, port: int, token: str, seconds: float, *, over_http: bool = False, before: str = ""
    ) -> None:
        self.host, self.port, self.seconds = host, port, seconds
        self._token, self._other = token, before
        self._over_http, self._takes_datagrams = over_http, False
        self._http_from = monotonic() + seconds

    def call(self, method: str, *parameters: str, seconds: float | None = None) -> Any:
        """The call's result. Raises `Refused` for an error of Kamailio's, `RpcError` when there is no answer."""
        body = json.dumps({"jsonrpc": "2.0", "method": method, "params": list(parameters), "id": 1})
        try:
            answer = self._with_either_token(body, seconds or self.seconds)
        except datagram.NotAnswered as failure:
            self._over_http = not self._over_http and not self._takes_datagrams and monotonic() > self._http_from
            raise RpcError(f"{method}: no answer: {failure}") from None
        except datagram.NotAllowed:
            raise RpcError(
                f"{method}: the proxy refuses the token; WARP_ACL_RPC_TOKEN must be the same on both sides"
            ) from None
        try:
            said = json.loads(answer)
        except ValueError:
            raise RpcError(f"{method}: an answer that is no JSON") from None
        if "error" in said:
            raise Refused(f"{method}: {said['error'].get('message', said['error'])}")
        return said.get("result")

    def _with_either_token(self, body: str, seconds: float) -> str:
        try:
            return self._answer(body, seconds)
        except datagram.NotAllowed:
            if not self._other:
                raise
            self._token, self._other = self._other, self._token
            return self._answer(body, seconds)

    def _answer(self, body: str, seconds: float) -> str:
        if not self._over_http:
            try:
                answer = datagram.call(self.host, self.port, self._token, body, seconds)
            except datagram.NotAnswered as failure:
                if not failure.refused:
                    raise
                self._over_http, self._takes_datagrams = True, False
            else:
                self._takes_datagrams = True
                return answer
        return self._http(body, seconds)

    def _http(self, body: str, seconds: float) -> str:
        """A connection of its own for every call: a proxy that restarts leaves none half open."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=seconds)
        try:
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request("POST", "/", body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise datagram.NotAnswered(str(error) or type(error).__name__) from None
        finally:
            connection.close()
        if answer.status == http.HTTPStatus.FORBIDDEN:
            raise datagram.NotAllowed
        return content.decode(errors="replace")
