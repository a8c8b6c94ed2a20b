"""Debian packages that the tests need, in one table.

As root with apt-get they are installed, without starting what they bring; otherwise, or when that fails, one line says
which are missing and how to install them. The set-up goes on in any case: what runs without them says so itself.

Leaves Python libraries to `python_environment`. Whether a package is there is seen by one file of it: dpkg takes longer
than everything else in a run that finds nothing to do.
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
    """A file that tells a package's own scripts what not to do, there only while the package is installed."""

    path: Path
    content: str


@dataclasses.dataclass(frozen=True)
class DebianPackage:
    """One package: the file it is recognised by, what it is for, what happens without it, how long it takes."""

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
        # The tests start servers of their own. A cluster of the system would run beside them for nothing:
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
        name="kamailio",
        file=Path("/usr/sbin/kamailio"),
        purpose="the SIP proxy of the edge",
        without=NO_SIP_TESTS,
        seconds=10,
        # The package's own service would answer on port 5060. Its init script starts nothing by default; under systemd
        # a condition that is not met is no failure (systemd.unit(5)).
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
    # Their modules lie in a folder of the machine's architecture.
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
        name="sip-tester",
        file=Path("/usr/bin/sipp"),
        purpose="SIP calls for its tests",
        without=NO_SIP_TESTS,
        seconds=5,
    ),
)


def missing(packages: Sequence[DebianPackage]) -> list[DebianPackage]:
    """Those whose file is not there."""
    return [package for package in packages if not package.file.exists()]


def may_install(user: int, apt_get: str | None) -> bool:
    """Whether this user can install packages here: root, on a system that has apt-get."""
    return user == 0 and apt_get is not None


def install_command(names: Sequence[str]) -> list[str]:
    """Ask nothing, keep every changed configuration file, remove no package, wait for another apt-get to finish.

    No retries of single files, which take half a minute without a network: `attempts` is the second try.
    """
    options = ["--yes", "--no-install-recommends", "--no-remove"]
    options += ["-o", "Dpkg::Options::=--force-confold", "-o", "DPkg::Lock::Timeout=120", "-o", NO_RETRIES]
    return ["apt-get", "install", *options, *names]


def attempts(names: Sequence[str]) -> list[list[str]]:
    """The commands to try in turn: package lists are fetched only when those of the system do not do.

    Lists that are missing or name withdrawn files look alike from outside: the installation fails. Update and second
    installation are one command, so that an update without a network is still seen as the cause.
    """
    install = install_command(names)
    return [install, ["/bin/sh", "-c", f"apt-get update -o {NO_RETRIES}; {shlex.join(install)}"]]


def by_hand(names: Sequence[str]) -> str:
    """What a person types."""
    return f"install by hand, as root: apt-get update && apt-get install --no-install-recommends {shlex.join(names)}"


def names_of(packages: Sequence[DebianPackage]) -> list[str]:
    """As apt-get knows them."""
    return [package.name for package in packages]


def announcement(packages: Sequence[DebianPackage]) -> str:
    """The line before a silent installation."""
    purposes = "; ".join(package.purpose for package in packages)
    seconds = sum(package.seconds for package in packages)
    return f"Installing Debian's {', '.join(names_of(packages))}: {purposes} (about {seconds} s, once)."


def consequence(packages: Sequence[DebianPackage]) -> str:
    """What happens without the packages."""
    return f"until then {'; '.join(dict.fromkeys(package.without for package in packages))}"


def advice(packages: Sequence[DebianPackage]) -> str:
    """The line for whoever cannot install packages here."""
    purposes = "; ".join(package.purpose for package in packages)
    names = names_of(packages)
    return f"Missing: Debian's {', '.join(names)}, {purposes}; {by_hand(names)}; {consequence(packages)}"


@contextlib.contextmanager
def settings_in_place(packages: Sequence[DebianPackage]) -> Iterator[None]:
    """Have the packages' settings there, and take them away again: left behind they would surprise people."""
    paths = []
    try:
        for setting in (package.setting for package in packages if package.setting):
            setting.path.parent.mkdir(parents=True, exist_ok=True)
            paths.append(setting.path)
            setting.path.write_text(setting.content, encoding="utf-8")
        yield
    finally:
        for path in paths:
            path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # not empty: not ours alone
                path.parent.rmdir()


def install(packages: Sequence[DebianPackage], root: Path) -> None:
    """Install these packages, as root. A failure is one line with the remedy, and not the end."""
    log = root / ".engine" / "debian.log"
    log.unlink(missing_ok=True)
    say(announcement(packages))
    # English, because the cause of a failure is looked for in the output.
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
    except OSError as failure:  # a system that is read-only, even for root
        problem = f"{failure.filename}: {failure.strerror}; {by_hand(names)}"
    say(f"bootstrap: {problem}; {consequence(packages)}")
