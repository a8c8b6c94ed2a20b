"""`make up`, `review`, `outputs`, `site`, `verify`, `down`: stack `sandbox` on its cloud, with the real engine."""

from __future__ import annotations

import argparse
import json
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape

from command_line import INTERRUPTED, run
from engine.cli import EngineError, NotWholeError
from engine.values import NOTHING
from inventory import folder, reading
from inventory.site.files import INDEX
from inventory.site.render import render
from inventory.table import ip_inventory_table
from local_cloud import LocalCloudError
from refusal import Refusal
from review import preview
from review.markdown import markdown
from review.report import report
from sandbox import Sandbox, SandboxError, next_steps, sip_edge
from sandbox.mounted import Cluster
from sandbox.next_steps import CUSTOMER
from sandbox.recovery import ready
from sandbox.workspace import ROOT, Workspace
from settings import Settings, SettingsError

STACK = "sandbox"
REFUSED = 4  # as `python -m review` has it
DIRECTORY = ROOT / ".sandbox"
SITE = ROOT / "build" / "site"


def up(sandbox: Sandbox, console: Console) -> int:
    """Start the cloud, run `pulumi up`, and show the result."""
    console.print("[bold]cloud[/]   a simulation of Google's control plane on loopback, state in .sandbox/ (seconds)")
    restarted = sandbox.start()
    workspace = _ready(sandbox, console)
    before = was_up(workspace)
    console.print(
        "[bold]engine[/]  pulumi up of stack `sandbox`: the program as production runs it (about 20 s the first time)"
    )
    began = time.monotonic()
    status = workspace.cli.show("up", "--stack", STACK, "--yes", "--skip-preview", "--suppress-outputs")
    if status:
        headline, rest = not_up(before=before, restarted=restarted)
        console.print(f"[red]{headline}[/]{rest}; see the engine's error above; `make up` continues from here")
        return status
    console.print(f"[dim]{time.monotonic() - began:.0f} s[/]\n")
    outputs = workspace.cli.outputs(secrets=True)
    settings = Settings.parse(*workspace.cli.config())
    at_gandi = settings.dns.hosts[0] == "gandi"
    if "trunkAcl" in outputs:
        console.print("[bold]sip[/]     Kamailio on these addresses, with the trunk ACL")
        cluster = Cluster(sandbox, settings)
        if missing := sip_edge.start(DIRECTORY, outputs, cluster=cluster):
            console.print(f"[yellow]no SIP proxy[/]: {escape(missing)}", highlight=False)
        else:
            console.print("[bold]tls[/]     the stack's renewer, with a real ACME CA, Pebble, over this cloud's DNS")
            if missing := sip_edge.certify(cluster, DIRECTORY, outputs):
                why = f"{escape(missing)}; 5061 has a certificate of its own"
                console.print(f"[yellow]no CA[/]: {why}", highlight=False)
    console.print(ip_inventory_table(outputs["ipInventory"]))
    next_steps.write_psql(workspace, outputs["database"])
    steps = next_steps.of_one_stack(sandbox, outputs, at_gandi=at_gandi, proxy=sip_edge.runs(DIRECTORY))
    next_steps.show(console, steps)
    return 0


def not_up(*, before: bool, restarted: bool) -> tuple[str, str]:
    """What a failed update leaves. `before`: an earlier one succeeded; `restarted`: the cloud had stopped."""
    if not before:
        return "not up yet", ""
    if restarted:
        return "not updated", ": the cloud had stopped and was restarted with its saved state; SIP may not answer"
    return "not updated", ": the edge is up as it was, except for the changes reported above"


def was_up(workspace: Workspace) -> bool:
    """Whether an earlier update succeeded, judged by the outputs."""
    try:
        return "ipInventory" in workspace.cli.outputs()
    except NotWholeError:  # a targeted update left placeholders for unknown values: this one replaces them
        return True


def review(sandbox: Sandbox, console: Console) -> int:
    """The report of a pull request (docs/review.md) on what an update would do now."""
    sandbox.start()
    workspace = _ready(sandbox, console)
    console.print("[bold]review[/]  pulumi preview under policies/, as for a pull request (about 20 s)")
    pack, rules = ROOT / "policies" / "run", ROOT / "policies" / "config" / f"{STACK}.json"
    done = workspace.cli.preview_stream("--policy-pack", str(pack), "--policy-pack-config", str(rules))
    try:
        found = report(preview.read(done.stdout), STACK)
    except preview.UnreadableError:
        raise EngineError("pulumi preview", f"{done.stdout}{done.stderr}") from None
    print(markdown(found))
    return REFUSED if found.failed else 0


def outputs() -> int:
    """Print every output as one JSON object, secrets masked, and nothing else."""
    print(json.dumps(_outputs(), indent=2))
    return 0


def site(console: Console) -> int:
    """Write the site's files, byte for byte as the stack (`inventorySite.pdf` is on) uploads them to its bucket."""
    found = _outputs()
    base_url = ((found.get("inventorySite") or {}).get("url") or "").removesuffix(INDEX)
    try:
        files = render(reading.read(json.dumps(found)), base_url, pdf=True)
        folder.replace(SITE, files)
    except Refusal as error:
        raise SandboxError(f"{error.wrong}\n  -> move it away") from None
    except reading.UnreadableError:
        raise SandboxError("the stack has no inventory: no update of it has succeeded yet\n  -> make up") from None
    console.print(f"{len(files)} files; open {SITE / INDEX}", highlight=False, soft_wrap=True)
    return 0


def _outputs() -> dict[str, Any]:
    if not (DIRECTORY / "project").exists():
        raise SandboxError("the sandbox is not up\n  -> make up")
    # Outputs are in the state: they can be read while the cloud is stopped.
    found = Workspace(DIRECTORY, STACK, {}).cli.outputs()
    if not found:
        raise SandboxError(f"{NOTHING}\n  -> make up")
    return found


def verify(sandbox: Sandbox) -> int:
    """`python -m verify` on that stack, with the sandbox's DNS as resolver and name servers, from a listed source."""
    if not (DIRECTORY / "project").exists() or not sandbox.running():
        raise SandboxError("the sandbox is not up\n  -> make up")
    servers = {"cloud-dns": sandbox.dns_endpoint(), "gandi": sandbox.gandi_dns_endpoint()}
    workspace = Workspace(DIRECTORY, STACK, {})
    workspace.follow()  # the settings may have been corrected since a refused update
    options = asked([servers[each] for each in _hosts(workspace)])
    if sip_edge.runs(DIRECTORY):
        authority = str(sip_edge.authority_file(DIRECTORY).relative_to(ROOT))
        options += ["--ca", authority, "--source", CUSTOMER, "--expect", "200"]
    else:
        options += ["--only", "dns"]
        print("SIP and TLS are not checked: no SIP proxy is running; `make up` reports why", file=sys.stderr)
    command = [sys.executable, "-m", "verify", *options]
    print(f"make outputs | {shlex.join(['.venv/bin/python', *command[1:]])}", file=sys.stderr, flush=True)
    return subprocess.run(command, cwd=ROOT, input=json.dumps(_outputs()), text=True, check=False).returncode


def asked(servers: Sequence[tuple[str, int]]) -> list[str]:
    """Options of `python -m verify`: each host's name server as an authority, and as resolver that of the first host,
    to which the parent zone delegates."""
    places = [f"{host}:{port}" for host, port in servers]
    return ["--resolver", places[0], *(word for each in places for word in ("--authority", each))]


def _hosts(workspace: Workspace) -> list[str]:
    """The hosts of the zone; first the one to which the parent zone delegates."""
    return list(Settings.parse(*workspace.cli.config()).dns.hosts)


def down(sandbox: Sandbox, console: Console) -> int:
    """Destroy the stack's resources and stop the cloud."""
    sip_edge.stop(DIRECTORY)
    if not (DIRECTORY / "project").exists():
        console.print("the sandbox is not up")
        return 0
    sandbox.start()
    workspace = _ready(sandbox, console)
    status = workspace.cli.show("destroy", "--stack", STACK, "--yes", "--skip-preview")
    if status:
        console.print("[red]not destroyed[/]: see the engine's error above; the cloud is still running")
        return status
    sandbox.stop()
    console.print("the edge is destroyed and the cloud stopped; `make up` starts over")
    return 0


def _ready(sandbox: Sandbox, console: Console) -> Workspace:
    workspace = Workspace(DIRECTORY, STACK, sandbox.env())
    ready(workspace, sandbox, lambda step: console.print(f"[dim]{escape(step)}[/]"))
    return workspace


def main() -> int:
    """Exit status of the engine, or 2 on a sandbox error."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "review", "outputs", "site", "verify", "down"])
    command = parser.parse_args().command
    # `review` prints its report, and nothing else, on standard output.
    sandbox, console = Sandbox(DIRECTORY), Console(highlight=False, stderr=command == "review")
    work: dict[str, Callable[[], int]] = {
        "up": lambda: up(sandbox, console),
        "review": lambda: review(sandbox, console),
        "outputs": outputs,
        "site": lambda: site(console),
        "verify": lambda: verify(sandbox),
        "down": lambda: down(sandbox, console),
    }
    return ended(work[command])


def ended(work: Callable[[], int], interrupted: str = "run the same command again to continue") -> int:
    """The exit status of a command; user errors are reported in words, without a traceback."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        return work()
    except (EngineError, LocalCloudError, SettingsError) as error:
        print(error, file=sys.stderr)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        print(
            f"{place}{error.strerror or error}\n  -> check disk space and permissions; {interrupted}", file=sys.stderr
        )
    except sqlite3.Error as error:
        print(f"the sandbox's cloud.db: {error}\n  -> check disk space and permissions; {interrupted}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"\ninterrupted: {interrupted}", file=sys.stderr)
        return INTERRUPTED
    return 2


if __name__ == "__main__":
    sys.exit(run(main))
