"""Debian packages that the tests need, in one table.

As root with apt-get they are installed, without starting their services; otherwise, or if that fails, one line says
which are missing and how to install them. The set-up continues in any case: tests that need them report it.

Python libraries are in `python_environment`. Whether a package is installed is checked by one of its files: dpkg takes
longer than everything else in a run with nothing to do.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from steps import BootstrapError, run, say

NO_RETRIES = "Acquire::Retries=0"


@dataclasses.dataclass(frozen=True)
class Setting:
    """A configuration file for a package's installation scripts, present only during the installation. Where the system
    has one of its own, that one stays."""

    path: Path
    content: str
    mode: int = 0o644


@dataclasses.dataclass(frozen=True)
class DebianPackage:
    """One package: the file that identifies it, its purpose, the effect if it is missing, the installation time."""

    name: str
    file: Path
    purpose: str
    without: str
    seconds: int
    setting: Setting | None = None


NO_SIP_TESTS = "the SIP tests are skipped, and fail where CI=true"
NEEDED_BY_TESTS = (
    DebianPackage(
        name="postgresql-15",
        file=Path("/usr/lib/postgresql/15/bin/postgres"),
        purpose="production's PostgreSQL for the database tests",
        without="the database tests run the newer PostgreSQL of the sandbox's group in pyproject.toml",
        seconds=30,
        # The tests start their own servers; a cluster of the system would run beside them unused:
        # create_main_cluster in pg_createcluster(1); createcluster.conf includes this folder.
        setting=Setting(
            Path("/etc/postgresql-common/createcluster.d/warp-edge.conf"),
            "# Only while tools/bootstrap.py installs PostgreSQL.\ncreate_main_cluster = false\n",
        ),
    ),
    DebianPackage(
        name="nftables",
        file=Path("/usr/sbin/nft"),
        purpose="reads the inventory's nftables form",
        without="tests of the nftables form are skipped (in CI they fail)",
        seconds=5,
    ),
    DebianPackage(
        name="iptables",
        file=Path("/usr/sbin/iptables-restore"),
        purpose="reads the inventory's iptables form",
        without="tests of the iptables form are skipped (in CI they fail)",
        seconds=5,
    ),
    DebianPackage(
        name="jq",
        file=Path("/usr/bin/jq"),
        purpose="runs the inventory's form that updates AWS prefix lists",
        without="tests of that form are skipped (in CI they fail)",
        seconds=5,
    ),
    DebianPackage(
        name="curl",
        file=Path("/usr/bin/curl"),
        purpose="fetches the inventory's form for nftables as docs/formats.md shows it",
        without="the test of that example is skipped (in CI it fails)",
        seconds=5,
    ),
    DebianPackage(
        name="iproute2",
        file=Path("/bin/ip"),
        purpose="routes in the network namespace that packets pass these forms in",
        without="tests with packets are skipped (in CI they fail)",
        seconds=5,
    ),
    DebianPackage(
        name="kamailio",
        file=Path("/usr/sbin/kamailio"),
        purpose="the SIP proxy of the edge",
        without=NO_SIP_TESTS,
        seconds=10,
        # The package's own service would listen on port 5060. Its init script starts nothing by default; under systemd
        # an unmet condition is not a failure (systemd.unit(5)).
        setting=Setting(
            Path("/etc/systemd/system/kamailio.service.d/warp-edge.conf"),
            "# Only while tools/bootstrap.py installs Kamailio.\n[Unit]\nConditionPathExists=/nonexistent\n",
        ),
    ),
    DebianPackage(
        name="chromium",
        file=Path("/usr/bin/chromium"),
        purpose="a browser for the published site",
        without="the tests of the published site are skipped (in CI they fail)",
        seconds=30,
    ),
    DebianPackage(
        name="prometheus",
        file=Path("/usr/bin/promtool"),
        purpose="runs every alert's expression",
        without="the tests of the alerts are skipped (in CI they fail), and `make alerts` cannot run",
        seconds=15,
        # Its init script and its unit start a server on port 9090. policy-rc.d(8): 101 forbids the action.
        setting=Setting(
            Path("/usr/sbin/policy-rc.d"),
            "#!/bin/sh\n# warp-edge: only while tools/bootstrap.py installs Prometheus.\nexit 101\n",
            0o755,
        ),
    ),
    # The path of its modules depends on the machine's architecture.
    DebianPackage(
        name="kamailio-postgres-modules",
        file=Path("/usr/share/doc/kamailio-postgres-modules/copyright"),
        purpose="its tables from PostgreSQL",
        without=NO_SIP_TESTS,
        seconds=5,
    ),
    DebianPackage(
        name="kamailio-tls-modules",
        file=Path("/usr/share/doc/kamailio-tls-modules/copyright"),
        purpose="SIP over TLS",
        without=NO_SIP_TESTS,
        seconds=5,
    ),
    DebianPackage(
        name="kamailio-websocket-modules",
        file=Path("/usr/share/doc/kamailio-websocket-modules/copyright"),
        purpose="SIP over WebSocket",
        without=NO_SIP_TESTS,
        seconds=5,
    ),
    DebianPackage(
        name="sip-tester",
        file=Path("/usr/bin/sipp"),
        purpose="SIP calls for its tests",
        without=NO_SIP_TESTS,
        seconds=5,
    ),
)


def missing(packages: Sequence[DebianPackage]) -> list[DebianPackage]:
    """Packages whose file does not exist."""
    return [package for package in packages if not package.file.exists()]


def may_install(user: int, apt_get: str | None) -> bool:
    """Whether this user can install packages here: root, on a system that has apt-get."""
    return user == 0 and apt_get is not None


def install_command(names: Sequence[str]) -> list[str]:
    """No questions, keep changed configuration files, remove no package, wait for another apt-get to finish.

    No retries of single files, which take half a minute without a network: `attempts` has the second try.
    """
    options = ["--yes", "--no-install-recommends", "--no-remove"]
    options += ["-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=120", "-o", NO_RETRIES]
    return ["apt-get", "install", *options, *names]


def attempts(names: Sequence[str]) -> list[list[str]]:
    """The commands to try in turn: package lists are fetched only if the system's are not sufficient.

    Missing lists and lists with withdrawn files have the same symptom: the installation fails. Update and second
    installation are one command, so that an update that fails without a network is reported as the cause.
    """
    install = install_command(names)
    return [install, ["/bin/sh", "-c", f"apt-get update -o {NO_RETRIES}; {shlex.join(install)}"]]


def by_hand(names: Sequence[str]) -> str:
    """The command for a manual installation."""
    return f"install manually, as root: apt-get update && apt-get install --no-install-recommends {shlex.join(names)}"


def names_of(packages: Sequence[DebianPackage]) -> list[str]:
    """Their names for apt-get."""
    return [package.name for package in packages]


def announcement(packages: Sequence[DebianPackage]) -> str:
    """The line printed before a silent installation."""
    purposes = "; ".join(package.purpose for package in packages)
    seconds = sum(package.seconds for package in packages)
    return f"Installing Debian's {', '.join(names_of(packages))}: {purposes} (about {seconds} s, once)."


def consequence(packages: Sequence[DebianPackage]) -> str:
    """The effect of missing packages."""
    return f"until then {'; '.join(dict.fromkeys(package.without for package in packages))}"


def advice(packages: Sequence[DebianPackage]) -> str:
    """The line for users who cannot install packages."""
    purposes = "; ".join(package.purpose for package in packages)
    names = names_of(packages)
    return f"Missing: Debian's {', '.join(names)}, {purposes}; {by_hand(names)}; {consequence(packages)}"


@contextlib.contextmanager
def settings_in_place(packages: Sequence[DebianPackage]) -> Iterator[None]:
    """Create the packages' settings, and remove them afterwards: they are only for the installation."""
    paths = []
    try:
        for setting in (package.setting for package in packages if package.setting):
            if setting.path.exists() and setting.path.read_text(encoding="utf-8") != setting.content:
                continue
            setting.path.parent.mkdir(parents=True, exist_ok=True)
            paths.append(setting.path)
            setting.path.write_text(setting.content, encoding="utf-8")
            setting.path.chmod(setting.mode)
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: it has other files
                path.parent.rmdir()


def install(packages: Sequence[DebianPackage], root: Path) -> None:
    """Install these packages, as root. A failure is reported in one line with the remedy, and is not fatal."""
    log = root / ".engine" / "debian.log"
    log.unlink(missing_ok=True)
    say(announcement(packages))
    # English, because the output is searched for the cause of a failure.
    env = {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    names, problem = names_of(packages), ""
    try:
        with settings_in_place(packages):
            for command in attempts(names):
                try:
                    run("apt-get", command, cwd=root, log=log, remedy=by_hand(names), env=env)
                except BootstrapError as failure:
                    problem = str(failure)
                else:
                    return
    except OSError as failure:  # a read-only system
        problem = f"{failure.filename}: {failure.strerror}; {by_hand(names)}"
    say(f"bootstrap: {problem}; {consequence(packages)}")
