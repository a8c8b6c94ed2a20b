"""The fragment with what a stack's settings say of limits and capture; kamailio/ip_auth.cfg imports it."""

from __future__ import annotations

from collections.abc import Iterator

from settings.acl_protection import CallLimits, Capture, UnknownSources
from settings.trunk_acl import Enforcement

_HEAD = """# warp-edge: the stack's settings trunkAcl.enforcement.callLimits, unknownSources and capture, written by it.
# ip_auth.cfg imports it. Restart the proxies when it changes.
"""


def fragment(enforcement: Enforcement) -> str:
    """Its text; empty where nothing is set."""
    lines = [
        *(_limits(enforcement.call_limits) if enforcement.call_limits else ()),
        *(_unknown(enforcement.unknown_sources) if enforcement.unknown_sources else ()),
        *(_capture(enforcement.capture) if enforcement.capture else ()),
    ]
    return _HEAD + "".join(f"{line}\n" for line in lines) if lines else ""


def _limits(limits: CallLimits) -> Iterator[str]:
    if limits.calls_per_second:
        yield "#!define WARP_CALLS_PER_SECOND"
    if limits.concurrent_calls:
        yield "#!define WARP_CONCURRENT_CALLS"
    if limits.proxies > 1:
        yield f"#!define WARP_PROXIES_SHARE {limits.proxies}"
    if limits.forbidden:
        yield "#!define WARP_LIMITED_FORBIDDEN"
    yield _text("WARP_RETRY_AFTER", limits.retry_after_seconds)
    yield _text("WARP_LONGEST_CALL", 3600 * limits.longest_call_hours)
    own = limits.dedicated
    yield _text("WARP_DEDICATED_LIMITS", f"{own.calls_per_second}|{own.concurrent_calls}")


def _unknown(unknown: UnknownSources) -> Iterator[str]:
    yield f"#!define WARP_UNKNOWN_ANSWERS {unknown.answers}"
    yield _text("WARP_UNKNOWN_SECONDS", unknown.seconds)


def _capture(capture: Capture) -> Iterator[str]:
    host = f"[{capture.collector}]" if ":" in capture.collector else capture.collector
    yield _text("WARP_CAPTURE_TO", f"sip:{host}:{capture.port}")
    yield _text("WARP_CAPTURE_ID", capture.id)


def _text(name: str, value: object) -> str:
    """Replaced inside of texts as well."""
    return f'#!substdef "!{name}!{value}!g"'
