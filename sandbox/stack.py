"""`make up`, `review`, `outputs`, `site`, `verify`, `down`: stack `sandbox` on its cloud, with the real engine."""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.markup import escape

from adopt.adoption import adopt
from engine_cli import EngineError
from inventory import folder, published
from inventory.site.files import INDEX
from inventory.site.render import render
from inventory.table import ip_inventory_table
from review import preview
from review.markdown import markdown
from review.report import report
from sandbox import Sandbox, SandboxError, sip_edge
from sandbox.workspace import ROOT, Workspace
from settings import Settings, SettingsError

STACK = "sandbox"
INTERRUPTED = 130  # as shells say it of SIGINT
REFUSED = 4  # as `python -m review` has it
CUSTOMER = "127.0.0.2"  # trunks/sandbox/ lets it in
DIRECTORY = ROOT / ".sandbox"
SITE = ROOT / "build" / "site"


def up(sandbox: Sandbox, console: Console) -> int:
    """Start the cloud, run `pulumi up`, and show what came of it."""
    console.print("[bold]cloud[/]   a stand-in for Google's control plane on loopback, state in .sandbox/ (seconds)")
    sandbox.start()
    workspace = _ready(sandbox, console)
    console.print(
        "[bold]engine[/]  pulumi up of stack `sandbox`: the program as production runs it (about 20 s the first time)"
    )
    began = time.monotonic()
    status = workspace.cli.show("up", "--stack", STACK, "--yes", "--skip-preview", "--suppress-outputs")
    if status:
        console.print("[red]the edge is not up[/]: the engine says why above; `make up` again goes on from here")
        return status
    console.print(f"[dim]{time.monotonic() - began:.0f} s[/]\n")
    outputs = workspace.cli.outputs(secrets=True)
    if "trunkAcl" in outputs:
        console.print("[bold]sip[/]     Kamailio on these addresses, with the trunk ACL")
        if missing := sip_edge.start(DIRECTORY, outputs):
            console.print(f"[yellow]no SIP proxy[/]: {escape(missing)}", highlight=False)
    console.print(ip_inventory_table(outputs["ipInventory"]))
    _write_psql(workspace, outputs["database"])
    _say_what_next(console, sandbox, outputs)
    return 0


def review(sandbox: Sandbox, console: Console) -> int:
    """The report of a pull request (docs/review.md) on what an update would do now."""
    sandbox.start()
    workspace = _ready(sandbox, console)
    console.print("[bold]review[/]  pulumi preview under policies/, as a pull request has it (about 20 s)")
    pack, rules = ROOT / "policies" / "run", ROOT / "policies" / "config" / f"{STACK}.json"
    done = workspace.cli.preview_stream("--policy-pack", str(pack), "--policy-pack-config", str(rules))
    try:
        found = report(preview.read(done.stdout), STACK)
    except preview.UnreadableError:
        raise EngineError("pulumi preview", f"{done.stdout}{done.stderr}") from None
    print(markdown(found))
    return REFUSED if found.failed else 0


def outputs() -> int:
    """Every output as one JSON object, secrets masked, and nothing else."""
    print(json.dumps(_outputs(), indent=2))
    return 0


def site(console: Console) -> int:
    """The site's files, byte for byte as the stack puts them into its bucket."""
    found = _outputs()
    base_url = ((found.get("inventorySite") or {}).get("url") or "").removesuffix(INDEX)
    try:
        files = render(published.read(json.dumps(found)), base_url)
        folder.replace(SITE, files)
    except folder.NotOursError as error:
        raise SandboxError(f"{error}\n  -> move it away") from None
    except published.UnreadableError:
        raise SandboxError("the stack has no inventory: no update of it ended well\n  -> make up") from None
    console.print(f"{len(files)} files; open {SITE / INDEX}", highlight=False, soft_wrap=True)
    return 0


def _outputs() -> dict[str, Any]:
    if not (DIRECTORY / "project").exists():
        raise SandboxError("nothing is up\n  -> make up")
    # Outputs are in the state: they can be read while the cloud is stopped.
    return Workspace(DIRECTORY, STACK, {}).cli.outputs()


def verify(sandbox: Sandbox) -> int:
    """`python -m verify` on that stack: the sandbox's DNS stands for resolver and name server, a known caller asks."""
    if not (DIRECTORY / "project").exists() or not sandbox.running():
        raise SandboxError("nothing is up\n  -> make up")
    host, port = sandbox.dns_endpoint()
    options = ["--resolver", f"{host}:{port}", "--authority", f"{host}:{port}"]
    if sip_edge.runs(DIRECTORY):
        options += [
            "--ca",
            str(sip_edge.authority_file(DIRECTORY).relative_to(ROOT)),
            "--source",
            CUSTOMER,
            "--expect",
            "200",
        ]
    else:
        options += ["--only", "dns"]
        print("SIP and TLS are not checked: no SIP proxy runs here; `make up` says why", file=sys.stderr)
    command = [sys.executable, "-m", "verify", *options]
    print(f"make outputs | {shlex.join(['.venv/bin/python', *command[1:]])}", file=sys.stderr, flush=True)
    return subprocess.run(command, cwd=ROOT, input=json.dumps(_outputs()), text=True, check=False).returncode


def down(sandbox: Sandbox, console: Console) -> int:
    """Destroy the stack's resources and stop the cloud."""
    if not (DIRECTORY / "project").exists():
        console.print("nothing is up")
        return 0
    sandbox.start()
    workspace = _ready(sandbox, console)
    sip_edge.stop(DIRECTORY)
    status = workspace.cli.show("destroy", "--stack", STACK, "--yes", "--skip-preview")
    if status:
        console.print("[red]not destroyed[/]: the engine says why above; the cloud still runs")
        return status
    sandbox.stop()
    console.print("the edge is destroyed and the cloud stopped; `make up` begins anew")
    return 0


def _ready(sandbox: Sandbox, console: Console) -> Workspace:
    workspace = _workspace(sandbox)
    workspace.prepare()
    record_what_a_crash_left(workspace, lambda step: console.print(f"[dim]{escape(step)}[/]"))
    return workspace


def record_what_a_crash_left(workspace: Workspace, say: Callable[[str], None]) -> None:
    """Take into the state what a cut-off update had created, so that the next one finishes it (docs/recover.md)."""
    if workspace.cli.interrupted():
        say("the last update was cut off: recording what it had created")
        adopt(workspace.cli, Settings.parse(*workspace.cli.config()), say)


def _workspace(sandbox: Sandbox) -> Workspace:
    return Workspace(DIRECTORY, STACK, sandbox.env())


def _write_psql(workspace: Workspace, database: dict[str, str]) -> None:
    """A command that opens the database. The password is asked of the engine when it runs, and is written nowhere."""
    connection = (
        f"host={database['publicAddress']} port={database['port']} dbname={database['name']} user={database['user']}"
        " sslmode=require"
    )
    read = "import json,sys; print(json.load(sys.stdin)['password'])"
    wrapper, python = shlex.quote(str(workspace.wrapper)), shlex.quote(sys.executable)
    ask = f'{wrapper} stack output database --json --show-secrets | {python} -c "{read}"'
    command = workspace.directory / "psql"
    command.write_text(f'#!/bin/sh\nPGPASSWORD="$({ask})"\nexport PGPASSWORD\nexec psql "{connection}" "$@"\n')
    command.chmod(0o755)


def _say_what_next(console: Console, sandbox: Sandbox, outputs: dict[str, Any]) -> None:
    host, port = sandbox.dns_endpoint()
    domain = outputs["dns"]["domain"]
    sip = f".venv/bin/python -m sandbox sip-options {outputs['customerEndpoints']['endpoints'][0]['address']} --from"
    console.print("\nLook at next:")
    if "inventorySite" in outputs:
        bucket, name = outputs["inventorySite"]["url"].rsplit("/", 2)[1:]
        page = sandbox.storage_url(bucket, name)
        console.print(
            f"  [bold]{escape(page)}[/]  [dim]the site for vendors and customers[/]", highlight=False, soft_wrap=True
        )
    for command, why in (
        (f"{sip} {CUSTOMER}", "200: trunks/sandbox/ lets this caller in"),
        (f"{sip} 127.0.9.9", "403: nobody's"),
        (f"dig @{host} -p {port} +short _sip._udp.{domain} SRV", "the zone answers"),
        (".sandbox/psql -c '\\conninfo'", "the trunk ACL's database, over TLS"),
        (".sandbox/pulumi stack output vendorWhitelist", "what vendors get; any pulumi command works like this"),
        ("make review", "what an update would do, after a change of Pulumi.sandbox.yaml"),
        ("make verify", "the promise, checked from outside: names, SIP, certificates"),
        ("make outputs", "all outputs as JSON"),
        ("make status", "what runs"),
    ):
        console.print(f"  [bold]{escape(command)}[/]  [dim]{why}[/]", highlight=False, soft_wrap=True)


def main() -> int:
    """Exit status of the engine, or 2 when the sandbox cannot do it."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.stack", description=__doc__)
    parser.add_argument("command", choices=["up", "review", "outputs", "site", "verify", "down"])
    command = parser.parse_args().command
    # A report is the standard output of `review`, and nothing else is.
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


def ended(work: Callable[[], int], interrupted: str = "the same command again goes on from here") -> int:
    """The exit status of a command; whatever a person did wrong or has to know is told in words."""
    try:
        return work()
    except (EngineError, SandboxError, SettingsError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\ninterrupted: {interrupted}", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
