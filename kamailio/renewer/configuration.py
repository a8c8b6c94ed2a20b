"""The renewer's configuration: a JSON file that the stack writes, and the environment.

Errors name the key or the variable, what it holds and what it must be.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from kamailio.reloader.environment import EVERYWHERE, Endpoint, SettingError, endpoint, needed, seconds

STATUS_PORT: Final = "9063"
# Of tls_listen.cfg: the port of the worker that serves TLS, and where TLS is served.
RPC_PORT, TLS_PORT = "9064", "5061"
ACCOUNT_MOUNT: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
KEYS: Final = ("rsa2048", "ecdsaP256")
NAME: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]{2,63}")


@dataclass(frozen=True)
class Gandi:
    """A zone at Gandi's LiveDNS. `api`: URL, without a final slash."""

    api: str
    zone: str
    token_file: Path


@dataclass(frozen=True)
class CloudDns:
    """A managed zone of Cloud DNS; `domain` is the name it serves."""

    api: str
    project: str
    zone: str
    domain: str


@dataclass(frozen=True)
class Configuration:
    """The JSON file. Names are in the order of the certificate, the domain first."""

    directory: str
    directory_roots: Path | None
    contact: tuple[str, ...]
    external_account: str
    profile: str
    key: str
    names: tuple[str, ...]
    renew_at_remaining: float
    dns: Gandi | CloudDns
    challenge_domain: str
    name_servers: tuple[Endpoint, ...]
    namespace: str
    secret: str

    @property
    def source(self) -> str:
        """What the certificate is of: the directory, and the profile where one is asked for."""
        return f"{self.directory} {self.profile}".rstrip()


@dataclass(frozen=True)
class Settings:
    """The environment. Secrets are left out of every representation."""

    configuration: Configuration
    hmac_file: Path | None
    proxies: tuple[Endpoint, ...]
    token: str = field(repr=False)
    tls_port: int
    status: Endpoint
    api_server: str
    account_mount: Path
    mount_seconds: float
    watch_seconds: float
    retry_seconds: float
    propagation_seconds: float
    token_before: str = field(default="", repr=False)

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Raises `SettingError` for the first variable or key that is missing or wrong."""
        hmac_file = environment.get("WARP_TLS_EAB_HMAC_FILE", "").strip()
        file = needed(environment, "WARP_TLS_CONFIG", "it is the path of the JSON file")
        configuration = read(Path(file), environment)
        if configuration.external_account and not hmac_file:
            raise SettingError(
                "WARP_TLS_EAB_HMAC_FILE is not set; with externalAccount it is the file with that account's HMAC key"
            )
        host = needed(environment, "KUBERNETES_SERVICE_HOST", "every pod has it")
        api_server = Endpoint(host, int(_port(environment, "KUBERNETES_SERVICE_PORT", "443")))
        rpc_port = _port(environment, "WARP_TLS_RPC_PORT", RPC_PORT)
        return cls(
            configuration=configuration,
            hmac_file=Path(hmac_file) if hmac_file else None,
            proxies=tuple(
                Endpoint(endpoint("WARP_ACL_PROXIES", one, rpc_port).host, int(rpc_port))
                for one in needed(environment, "WARP_ACL_PROXIES", "the name of the headless Service").split(",")
            ),
            token=needed(environment, "WARP_ACL_RPC_TOKEN", "the Secret of the proxies' RPC token has it"),
            tls_port=int(_port(environment, "WARP_TLS_PORT", TLS_PORT)),
            status=endpoint(
                "WARP_TLS_STATUS_LISTEN", environment.get("WARP_TLS_STATUS_LISTEN", EVERYWHERE), STATUS_PORT
            ),
            api_server=f"https://{api_server}",
            account_mount=Path(environment.get("WARP_TLS_SERVICE_ACCOUNT", ACCOUNT_MOUNT)),
            mount_seconds=seconds(environment, "WARP_TLS_MOUNT_SECONDS", 60),
            watch_seconds=seconds(environment, "WARP_TLS_WATCH_SECONDS", 60),
            retry_seconds=seconds(environment, "WARP_TLS_RETRY_SECONDS", 60),
            propagation_seconds=seconds(environment, "WARP_TLS_PROPAGATION_SECONDS", 900),
            token_before=environment.get("WARP_ACL_RPC_TOKEN_BEFORE", "").strip(),
        )


def _port(environment: Mapping[str, str], name: str, usual: str) -> str:
    text = environment.get(name, usual)
    if not text.isdecimal() or not 0 < int(text) < 1 << 16:
        raise SettingError(f"{name} is {text!r}; it must be the number of a port")
    return text


def read(file: Path, environment: Mapping[str, str]) -> Configuration:
    """The file. Raises `SettingError`."""
    try:
        given = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"WARP_TLS_CONFIG is {file}: {error}") from None
    top = Section(given, "")
    secret, account = top.section("secret"), top.section("externalAccount", optional=True)
    configuration = Configuration(
        directory=top.text("directory", r"https://\S+", "an https URL"),
        directory_roots=Path(roots) if (roots := top.text("directoryRoots", optional=True)) else None,
        contact=top.texts("contact", r"mailto:\S+@\S+", "`mailto:` and an address", optional=True),
        external_account=account.text("keyId") if account else "",
        profile=top.text("profile", optional=True),
        key=top.text("key", "|".join(KEYS), f"one of {', '.join(KEYS)}"),
        names=top.texts("names", NAME.pattern, "a host name in lower case, without a wildcard"),
        renew_at_remaining=top.fraction("renewAtRemaining"),
        dns=_dns(cast("Section", top.section("dns")), environment),
        challenge_domain=top.text("challengeDomain", NAME.pattern, "a domain name in lower case", optional=True),
        name_servers=tuple(endpoint("nameServers", one, "53") for one in top.texts("nameServers", optional=True)),
        namespace=cast("Section", secret).text("namespace"),
        secret=cast("Section", secret).text("name"),
    )
    for each in (top, secret, account):
        if each:
            each.end()
    if len(set(configuration.names)) < len(configuration.names):
        raise SettingError(f"WARP_TLS_CONFIG: `names` has a name twice: {', '.join(configuration.names)}")
    return configuration


def _dns(given: Section, environment: Mapping[str, str]) -> Gandi | CloudDns:
    host = given.text("host", "gandi|cloudDns", "gandi or cloudDns")
    api = given.text("api", r"https?://\S+", "a URL").rstrip("/")
    found: Gandi | CloudDns
    if host == "gandi":
        token = needed(environment, "WARP_TLS_GANDI_TOKEN_FILE", "the file with Gandi's personal access token")
        found = Gandi(api, given.text("zone", NAME.pattern, "a domain name in lower case"), Path(token))
    else:
        domain = given.text("domain", NAME.pattern, "a domain name in lower case")
        found = CloudDns(api, given.text("project"), given.text("zone"), domain)
    given.end()
    return found


class Section:
    """An object of the file, whose keys are taken one by one."""

    def __init__(self, given: Any, at: str) -> None:
        self._at = at
        if not isinstance(given, dict):
            raise SettingError(f"WARP_TLS_CONFIG: `{at.rstrip('.') or 'the file'}` must be an object")
        self._left: dict[str, Any] = dict(given)

    def _take(self, key: str, kind: type, words: str, *, optional: bool) -> Any:
        value = self._left.pop(key, None)
        if value is None and optional:
            return None
        if not isinstance(value, kind) or isinstance(value, bool) or value in ("", []):
            raise self._wrong(key, value, words)
        return value

    def _wrong(self, key: str, value: object, words: str) -> SettingError:
        if value is None:
            return SettingError(f"WARP_TLS_CONFIG: `{self._at}{key}` is missing; it must be {words}")
        return SettingError(f"WARP_TLS_CONFIG: `{self._at}{key}` is {json.dumps(value)}; it must be {words}")

    def text(self, key: str, form: str = ".+", words: str = "a text", *, optional: bool = False) -> str:
        """A text of that form; empty where it is optional and missing."""
        value = self._take(key, str, words, optional=optional)
        if value is not None and not re.fullmatch(form, value):
            raise self._wrong(key, value, words)
        return value or ""

    def texts(self, key: str, form: str = ".+", words: str = "a text", *, optional: bool = False) -> tuple[str, ...]:
        """Texts of that form."""
        values = self._take(key, list, f"a list, each {words}", optional=optional) or []
        for each in values:
            if not isinstance(each, str) or not re.fullmatch(form, each):
                raise self._wrong(key, each, f"a list, each {words}")
        return tuple(values)

    def fraction(self, key: str) -> float:
        """A number between 0 and 1."""
        words = "a number above 0 and below 1, the part of its life"
        value = self._take(key, float, words, optional=False)
        if not 0 < value < 1:
            raise self._wrong(key, value, words)
        return float(value)

    def section(self, key: str, *, optional: bool = False) -> Section | None:
        """An object in it."""
        value = self._left.pop(key, None)
        return None if value is None and optional else Section(value, f"{self._at}{key}.")

    def end(self) -> None:
        """Raises `SettingError` for a key that was not taken."""
        for key in sorted(self._left):
            raise SettingError(f"WARP_TLS_CONFIG: `{self._at}{key}` is not a key of it; remove it")
