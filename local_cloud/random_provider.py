"""The random provider: values generated once and kept only in the engine's state, not in the cloud."""

from __future__ import annotations

import base64
import ctypes
import secrets
import string
import threading
from collections.abc import Mapping
from typing import Any, Final

from local_cloud.bridged import BridgedProvider
from local_cloud.cloud import Cloud
from local_cloud.errors import CheckFailure
from local_cloud.resource_type import ResourceType, Settings, known
from local_cloud.shapes import Shape
from local_cloud.values import Props

VERSION: Final = "4.21.4"
_CRYPT: Final = threading.Lock()
SPECIAL: Final = "!@#$%&*()-_=+[]{}<>:?"

_TEXT: Final = """
root: length:int*! keepers{}! lower:bool!?=true minLower:int!?=0 minNumeric:int!?=0 minSpecial:int!?=0
    minUpper:int!?=0 number:bool!~ numeric:bool!?=true overrideSpecial! special:bool!?=true upper:bool!?=true
"""


class _Drawn(ResourceType):
    """A value generated at creation; a read returns what the state has."""

    stable_name = "length"

    def read(self, values: Props) -> Props | None:
        return values

    def update(self, prior: Props, planned: Props) -> Props:
        return {**prior, **planned}

    def delete(self, values: Props) -> None:
        """Nothing to delete: the value exists only in the state."""


class RandomString(_Drawn):
    """A text of random characters."""

    token = "random:index/randomString:RandomString"
    noun = "random string"
    key_format = "{result}"
    shape = Shape.parse(_TEXT + "    result^")

    def identity(self, id_: str, settings: Settings) -> Props:
        """The id of an import is the text itself."""
        return {"result": id_, "length": len(id_)}

    def check(self, inputs: Props) -> list[CheckFailure]:
        length = known(inputs, "length")
        minima = [known(inputs, name) or 0 for name in ("minLower", "minUpper", "minNumeric", "minSpecial")]
        if length is not None and (length < 1 or length < sum(minima)):
            reason = f"length must be at least 1 and at least the sum of the minima ({sum(minima)}), got: {length}"
            return [CheckFailure("length", reason)]
        if not any(inputs.get(name, True) for name in ("lower", "upper", "numeric", "special")):
            return [CheckFailure("lower", "at least one of lower, upper, numeric and special must be true")]
        return []

    def create(self, planned: Props) -> Props:
        result = _draw(planned)
        return {**planned, "number": planned.get("numeric", True), "result": result}


class RandomPassword(RandomString):
    """The same, kept secret."""

    token = "random:index/randomPassword:RandomPassword"
    noun = "random password"
    key_format = "none"
    shape = Shape.parse(_TEXT + "    result$^ bcryptHash$^")

    def create(self, planned: Props) -> Props:
        body = super().create(planned)
        return {**body, "bcryptHash": _bcrypt(body["result"])}

    def read(self, values: Props) -> Props | None:
        return {**values, "bcryptHash": values.get("bcryptHash") or _bcrypt(values["result"])}


class RandomId(_Drawn):
    """Random bytes, in several notations."""

    token = "random:index/randomId:RandomId"
    noun = "random id"
    key_format = "{b64Url}"
    stable_name = "byteLength"
    shape = Shape.parse("root: byteLength:int*! keepers{}! prefix! b64Std^ b64Url^ dec^ hex^")

    def identity(self, id_: str, settings: Settings) -> Props:
        prefix, _, encoded = id_.rpartition(",")
        raw = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
        return _notations({"byteLength": len(raw), "prefix": prefix}, raw)

    def check(self, inputs: Props) -> list[CheckFailure]:
        length = known(inputs, "byteLength")
        if length is not None and length < 1:
            return [CheckFailure("byteLength", f"byteLength must be at least 1, got: {length}")]
        return []

    def engine_id(self, body: Mapping[str, Any]) -> str:
        return str(body["b64Url"]).removeprefix(str(body.get("prefix") or ""))

    def create(self, planned: Props) -> Props:
        return _notations(planned, secrets.token_bytes(planned["byteLength"]))


class RandomProvider(BridgedProvider):
    """Passwords, strings and ids. Built with the plugin framework: it writes no defaults into the inputs."""

    detailed = False

    def __init__(self, cloud: Cloud) -> None:
        types = [RandomPassword(cloud), RandomString(cloud), RandomId(cloud)]
        super().__init__(cloud, "random", VERSION, types)


def _draw(planned: Props) -> str:
    kinds = {
        "minLower": string.ascii_lowercase if planned.get("lower", True) else "",
        "minUpper": string.ascii_uppercase if planned.get("upper", True) else "",
        "minNumeric": string.digits if planned.get("numeric", True) else "",
        "minSpecial": (planned.get("overrideSpecial") or SPECIAL) if planned.get("special", True) else "",
    }
    drawn = [secrets.choice(letters) for name, letters in kinds.items() for _ in range(planned.get(name) or 0)]
    every = "".join(kinds.values())
    drawn += [secrets.choice(every) for _ in range(planned["length"] - len(drawn))]
    secrets.SystemRandom().shuffle(drawn)
    return "".join(drawn)


def _notations(body: Props, raw: bytes) -> Props:
    prefix = body.get("prefix") or ""
    url = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    values = {
        "b64Url": url,
        "b64Std": base64.b64encode(raw).decode(),
        "dec": str(int.from_bytes(raw, "big")),
        "hex": raw.hex(),
    }
    return {**body, **{name: prefix + value for name, value in values.items()}}


def _bcrypt(password: str) -> str:
    """With the C library's crypt(3): Python has no bcrypt, and its `crypt` module ends with 3.12.

    Empty if the library is missing: a deployment should not fail because of an unused hash.
    """
    alphabet = string.ascii_letters + string.digits + "./"
    # The 22nd character of a salt carries only two bits: "." is always valid.
    salt = "$2b$10$" + "".join(secrets.choice(alphabet) for _ in range(21)) + "."
    try:
        library = ctypes.CDLL("libcrypt.so.1")
    except OSError:
        return ""
    library.crypt.restype = ctypes.c_char_p
    with _CRYPT:  # crypt(3) keeps its result in static storage
        return str(library.crypt(password.encode()[:72], salt.encode()).decode())
