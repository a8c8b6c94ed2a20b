"""The engine's error messages, with the cause first, and the remedy where a setting caused it.

A failed program has the reason in the last line of its traceback, after all frames. And the current language host
interrupts the program as soon as a resource fails: then its KeyboardInterrupt, 25 lines of asyncio, comes before the
resource's error. Readers of a failed check need the one line with the cause.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from engine import tokens
from engine.tokens import STACK, logical_name, type_of

_TRACEBACK = "Traceback (most recent call last):"
# Between the tracebacks of chained exceptions.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
# A frame, its source, and marks below it; or the exception, whose name has no blanks.
_OF_TRACEBACK = re.compile(rf"\s|{re.escape(_TRACEBACK)}|[A-Za-z_][\w.]*(:\s|\s*$)")
_INTERRUPTED = "KeyboardInterrupt"
# Messages that only report a consequence of another failure.
_ENDED = re.compile(r"(BAIL: |an unhandled error occurred: )|.*\b(preview|update|refresh|destroy|import) failed$")
_PROGRAM_ENDED = "an unhandled error occurred: "


@dataclass(frozen=True)
class Message:
    """A message of the engine or the program; `urn` is empty if it is not about a resource."""

    urn: str
    text: str

    @property
    def about(self) -> str:
        """The resource's logical name; empty if there is none."""
        return logical_name(self.urn) if self.urn.count("::") >= 3 else ""


def causes(errors: Iterable[Message], output: Sequence[str] = ()) -> tuple[Message, ...]:
    """The errors: of resources first, then of the program, then consequences; each begins with its cause. `output`: the
    program's standard error, included if no error explains its end."""
    found = [replace(each, text=_cause_first(each.text)) for each in _joined(errors)]
    if any(each.text.startswith(_PROGRAM_ENDED) for each in found) and all(map(_follows, found)):
        written = "".join(line if line.endswith("\n") else f"{line}\n" for line in output).strip()
        if written:
            found.append(Message("", _cause_first(written)))
    if any(not _follows(each) for each in found):
        found = [each for each in found if not each.text.startswith(_INTERRUPTED)]
    return tuple(sorted(found, key=_rank))


def _rank(message: Message) -> int:
    of_resource = message.about and type_of(message.urn) != STACK
    return 2 if _follows(message) else 0 if of_resource else 1


def _follows(message: Message) -> bool:
    """Whether it only reports a consequence of another failure."""
    text = message.text.strip()
    return text.startswith(_INTERRUPTED) or bool(_ENDED.match(text) and "\n" not in text)


def _joined(messages: Iterable[Message]) -> list[Message]:
    """Join a traceback that arrives line by line into one message, even if other messages are in between."""
    found = list[Message]()
    last = dict[str, int]()  # index of the last message, by resource
    for message in messages:
        place = last.get(message.urn)
        if place is not None and _goes_on(found[place].text, message.text):
            found[place] = replace(found[place], text=f"{found[place].text.rstrip()}\n{message.text.rstrip()}")
            continue
        if not _ENDED.match(message.text.strip()):  # after that a traceback may still continue
            last[message.urn] = len(found)
        found.append(message)
    return found


def _goes_on(text: str, more: str) -> bool:
    if _TRACEBACK not in text:
        return False
    if not more.strip():
        return True
    last = text.rstrip().splitlines()[-1]
    inside = last[:1].isspace() or last == _TRACEBACK or last.startswith(_CHAINED)
    return more.startswith(_CHAINED) or (inside and bool(_OF_TRACEBACK.match(more)))


def _cause_first(text: str) -> str:
    """A text with a traceback, reordered: the exception, where it was raised, and then the rest."""
    if _TRACEBACK not in text:
        return text
    lines = text.rstrip().splitlines()
    frames = [place for place, line in enumerate(lines) if line.lstrip(" |").startswith('File "')]
    if not frames:
        return text
    # The exception's own text may have several lines; source lines and marks below a frame are indented.
    cause = next((place for place in range(frames[-1], len(lines)) if not lines[place][:1].isspace()), None)
    told = lines[cause:] if cause is not None else lines[-1:]
    return "\n".join([*(line for line in told if line.strip()), lines[frames[-1]].strip(" |"), *lines[:cause]])


@dataclass(frozen=True)
class _Rule:
    """`types`: matches the types of the resource's URN; `said`: matches its error."""

    types: str
    said: str
    remedy: str


def _correct(key: str, listed_by: str) -> str:
    return f"correct warp-edge:{key} (`{listed_by}` shows what there is)"


# Objects that the program looks up are refused with its own message before anything is declared
# (`components/look_up.py`). Networks, the subnetwork and a router of another team are not looked up: that would cost
# every preview a request each, for names that are set once. Their errors come from the resource, with the cloud's
# message, which does not name a setting.
# Compute Engine has two messages for a missing network.
_NO_NETWORK = r"/networks/\S* (was )?not found|referenced network resource cannot be found"
_NETWORKS = "gcloud compute networks list"
_RULES = (
    _Rule(tokens.ROUTER, _NO_NETWORK, _correct("egress.router.network", _NETWORKS)),
    _Rule(
        tokens.NAT,
        r"/routers/\S* (was )?not found|referenced router resource cannot be found",
        _correct("egress.router.name", "gcloud compute routers list"),
    ),
    _Rule(
        tokens.ADDRESS,
        r"/subnetworks/\S* (was )?not found|referenced subnetwork resource cannot be found",
        _correct("ingress.ipv6Subnetwork", "gcloud compute networks subnets list"),
    ),
    _Rule(tokens.TRUNK_DATABASE, _NO_NETWORK, _correct("database.network.privateNetwork", _NETWORKS)),
    _Rule(
        tokens.INSTANCE,
        r"SERVICE_NETWORKING_NOT_ENABLED|at least 1 private services connection",
        "add warp-edge:database.network.peeringRange, or set up private services access in that network",
    ),
    _Rule(
        tokens.BUCKET,
        r"bucket name is not available",
        "choose another warp-edge:inventorySite.bucket: bucket names are unique across Google Cloud",
    ),
    _Rule("kubernetes:", r'context "[^"]*" does not exist', _correct("cluster.context", "kubectl config get-contexts")),
)


def remedy(message: Message) -> str:
    """The remedy, with the settings key; empty if the error is not known."""
    types = message.urn.split("::")[2] if message.about else ""
    return next((rule.remedy for rule in _RULES if rule.types in types and re.search(rule.said, message.text)), "")
