"""Which TLS layouts Kamailio is started with, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from kamailio import TLS_FRAGMENTS, fragments, start, tls_layout, tls_profiles

OLD, FIRST_WITH_THREADS, NEW = "5.6.3", "5.7.6", "6.0.1"
PLAIN = "socket_workers=4\nlisten=tcp:10.0.0.1:5060\n"
INCLUDE = 'include_file "warp/tls_listen.cfg"\n'


@pytest.fixture(scope="module")
def issued(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate and its key, and the key of another."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("tls", "other"):
        one = trustme.CA().issue_cert("ringer.tel", key_type=trustme.KeyType.RSA)
        (folder / f"{name}.crt").write_bytes(b"".join(blob.bytes() for blob in one.cert_chain_pems))
        (folder / f"{name}.key").write_bytes(one.private_key_pem.bytes())
    return folder


class Pod:
    """A proxy's container: its files, and a Kamailio that says its version and otherwise only that it was started."""

    def __init__(self, folder: Path, certificate: Path) -> None:
        self.folder, self.environment = folder, dict[str, str]()
        self.options: list[str] = []
        self.wrapper: list[str] = []
        (folder / "warp").mkdir()
        for name, text in fragments(TLS_FRAGMENTS).items():
            (folder / "warp" / name).write_text(text)
        self.profiles = folder / "warp" / "tls.cfg"
        self.profiles.write_text(tls_profiles(str(certificate)))

    def refusal(self, configuration: str, version: str = OLD) -> str:
        file, program = self.folder / "kamailio.cfg", self.folder / "kamailio"
        file.write_text(f'#!KAMAILIO\n#!substdef "!WARP_TLS_CONFIG!{self.profiles}!g"\n{configuration}')
        program.write_text(f"#!/bin/sh\necho 'version: kamailio {version} (x86_64/linux)'\n")
        program.chmod(0o755)
        try:
            tls_layout.check(
                [*self.wrapper, str(program), "-DD", "-E", "-f", str(file), *self.options], self.environment
            )
        except tls_layout.LayoutError as error:
            return str(error)
        return ""


@pytest.fixture
def pod(tmp_path: Path, issued: Path) -> Pod:
    return Pod(tmp_path, issued)


THREADS = "#!define WARP_TLS_THREADS\n"
IFEXP = f"#!ifexp KAMAILIO_VERSION >= 5008000\n{THREADS}#!endif\n"


@pytest.mark.parametrize(
    ("configuration", "version"),
    [
        (PLAIN + INCLUDE, OLD),
        ("children=8\ntcp_children=8\n" + PLAIN + INCLUDE, OLD),
        ("socket_workers=2\nlisten=udp:10.0.0.1:5060\n" + INCLUDE, OLD),
        ("tcp_children=8\n" + THREADS + PLAIN + INCLUDE, FIRST_WITH_THREADS),
        ("tcp_children=8\n" + THREADS + PLAIN + INCLUDE, NEW),
        ("tcp_children=8\nlisten=tcp:10.0.0.1:5060\n", OLD),
        (IFEXP + PLAIN + INCLUDE, OLD),
        (IFEXP + PLAIN + INCLUDE, NEW),
        (f"#!define A\n#!ifdef A\n{IFEXP}#!endif\n" + INCLUDE, OLD),
        ('/* of before:\nmodparam("tls", "certificate", "/x")\nlisten=tls:1.2.3.4:5061 */\n' + INCLUDE, OLD),
        ('modparam("a", "b", "/*")\n# /*\n' + INCLUDE + "/* */\n", OLD),
        (INCLUDE + "#!define N 1\ntcp_children=N\n", OLD),
        ('loadmodule "tls.so"\ntcp_children=8\n', OLD),
        ('loadmodule "tls.so"\nlisten=tls:10.0.0.1:5061\nmodparam("tls", "certificate", "/x.pem")\n', NEW),
        ("#!ifdef NOT_DEFINED\ntcp_children=8\nlisten=tls:10.0.0.1:5061\n#!else\n" + INCLUDE + "#!endif\n", OLD),
    ],
)
def test_the_documented_layouts_are_started(pod: Pod, configuration: str, version: str) -> None:
    assert pod.refusal(configuration, version) == ""


@pytest.mark.parametrize(
    ("configuration", "version", "words"),
    [
        (INCLUDE + "tcp_children=2\n", OLD, "2 workers serve TLS"),
        (INCLUDE + "tcp_children=2\n", "5.7.5", "2 workers serve TLS"),
        (INCLUDE + "#!define MANY\n#!ifdef MANY\ntcp_children=4\n#!endif\n", OLD, "4 workers serve TLS"),
        ("socket_workers=1\nlisten=tls:10.0.0.1:5063\n" + INCLUDE, OLD, "2 workers serve TLS"),
        ("socket_workers=1\n" + INCLUDE, OLD, "2 workers serve TLS"),
        (INCLUDE + "#!define N 8\ntcp_children=N\n", OLD, "8 workers serve TLS"),
        (f"#!ifexp KAMAILIO_VERSION >= 5008000\n{THREADS}#!endif\n" + INCLUDE + "tcp_children=2\n", OLD, "2 workers"),
        ('#!substdef "!WARP_TLS_RELOAD_PORT!9065!g"\n' + INCLUDE, OLD, "no port for reloads"),
        (PLAIN + INCLUDE, NEW, "write `#!define WARP_TLS_THREADS`"),
        (PLAIN + INCLUDE, FIRST_WITH_THREADS, "write `#!define WARP_TLS_THREADS`"),
        (INCLUDE + 'modparam("tls", "certificate", "/x.pem")\n', OLD, "a renewed one would never be served"),
        (INCLUDE + 'modparam( "tls" , "private_key" , "/x.pem" )\n', NEW, "a renewed one would never be served"),
    ],
)
def test_what_is_known_not_to_hold_is_not_started(pod: Pod, configuration: str, version: str, words: str) -> None:
    assert words in pod.refusal(configuration, version)


def test_a_definition_of_the_command_line_counts(pod: Pod) -> None:
    pod.options = ["-A", "WARP_TLS_THREADS"]
    assert pod.refusal(PLAIN + INCLUDE, NEW) == ""


@pytest.mark.parametrize(
    ("host", "mode", "refused"),
    [
        ("10.0.0.9", "verify-ca", True), ("10.0.0.9", "", True), ("10.0.0.9", "prefer", True),
        ("10.0.0.9", "disable", False), ("127.0.0.1:5432", "", False), ("127.0.0.1", "require", True),
        ("localhost", "prefer", False), ("localhost.example.net", "", True),
    ],
)  # fmt: skip
def test_two_tls_libraries_in_one_process_are_not_started(pod: Pod, host: str, mode: str, refused: bool) -> None:
    """libpq speaks TLS of itself with a server that can, unless that is the same machine."""
    pod.environment = {"WARP_ACL_DB_URL": f"postgres://u:secret@{host}/warp"} | ({"PGSSLMODE": mode} if mode else {})
    words = pod.refusal(INCLUDE)
    assert (f"PGSSLMODE is {mode or 'prefer'}" in words) == refused
    assert bool(words) == refused
    assert "secret" not in words


def test_tls_without_the_fragment_is_said_and_started(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    assert pod.refusal('loadmodule "tls.so"\nlisten=tls:10.0.0.1:5061\n') == ""
    assert "TLS without tls_listen.cfg: its layout is not checked" in capsys.readouterr().err


def test_a_kamailio_behind_another_program_is_the_one_that_is_asked(pod: Pod) -> None:
    pod.wrapper = ["/usr/bin/env", "-i"]
    assert pod.refusal(PLAIN + INCLUDE, OLD) == ""
    assert "2 workers serve TLS" in pod.refusal(INCLUDE + "tcp_children=2\n", OLD)


def test_quoted_paths_of_the_profiles_are_paths(pod: Pod, issued: Path) -> None:
    text = pod.profiles.read_text()
    for name in ("tls.crt", "tls.key"):
        text = text.replace(f"{issued}/{name}", f'"{issued}/{name}"')
    assert text.count('"') >= 4
    pod.profiles.write_text(text)
    assert pod.refusal(INCLUDE) == ""


def test_a_certificate_that_is_not_there_yet_says_who_brings_it(pod: Pod, tmp_path: Path) -> None:
    pod.profiles.write_text(tls_profiles(str(tmp_path / "nowhere")))
    words = pod.refusal(INCLUDE)
    assert f"{tmp_path}/nowhere/tls.crt cannot be read (no such file or directory); mount the Secret" in words
    assert "see the renewer's log" in words


def test_a_pair_that_is_none_is_not_started(pod: Pod, issued: Path) -> None:
    pod.profiles.write_text(pod.profiles.read_text().replace("tls.key", "other.key"))
    assert "are no pair (key values mismatch)" in pod.refusal(INCLUDE)
    pod.profiles.write_text(pod.profiles.read_text().replace("other.key", "tls.crt"))
    assert "are no pair" in pod.refusal(INCLUDE)
    pod.profiles.write_text("[server:default]\nmethod = TLSv1.2+\n")
    assert "names no certificate" in pod.refusal(INCLUDE)
    pod.profiles.unlink()
    assert "mount the stack's ConfigMap there" in pod.refusal(INCLUDE)


def test_the_start_says_it_and_ends(pod: Pod, capsys: pytest.CaptureFixture[str]) -> None:
    pod.refusal(INCLUDE + "tcp_children=2\n")
    command = [str(pod.folder / "kamailio"), "-f", str(pod.folder / "kamailio.cfg")]
    assert start.main(command, {}) == 2
    assert "warp-edge start: not started: 2 workers serve TLS" in capsys.readouterr().err
