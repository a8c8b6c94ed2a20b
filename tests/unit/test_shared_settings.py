"""Settings that stacks share: merged under a stack's own, read as strictly, and reported with their file."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as some

from settings import Settings, SettingsError
from settings.problems import Problem
from tests.cases import cases
from tests.stacks import Config, as_engine_gives_it, changed, stack_config, written_config
from tests.unit.test_settings import LEAST
from tests.unit.test_settings_hostile import any_text, anything, assert_readable

SHARED = {"warp-edge:shared": "shared.yaml"}


def as_a_file(settings: Config) -> str:
    """Settings of ours, by whatever name, in JSON, which is YAML."""
    return json.dumps({"config": {f"warp-edge:{key}": value for key, value in settings.items()}})


def parse(config: Config, folder: Path, shared: str) -> Settings:
    (folder / "shared.yaml").write_text(shared)
    return Settings.parse(as_engine_gives_it(config | SHARED), folder=folder)


def refused(config: Config, folder: Path, shared: str) -> list[Problem]:
    with pytest.raises(SettingsError) as error:
        parse(config, folder, shared)
    return list(error.value.problems)


def test_production_says_the_same_whether_it_is_shared_or_written_out() -> None:
    assert "warp-edge:shared" in written_config("prod")
    assert "warp-edge:shared" not in stack_config("prod")
    whole = Settings.parse(as_engine_gives_it(stack_config("prod")))
    assert Settings.parse(as_engine_gives_it(written_config("prod"))) == whole.model_copy(
        update={"shared": "shared/prod.yaml"}
    )


def test_mappings_are_merged_key_by_key_and_the_rest_is_the_stacks(tmp_path: Path) -> None:
    shared = """
config:
  warp-edge:labels: {platform: warp, component: shared}
  warp-edge:ingress:
    namespace: voice
    sourceRanges: [192.0.2.0/24, 198.51.100.0/24]
    udp: {ports: {sip: 5080}}
  warp-edge:cost: {before: 40.50}
"""
    config = changed(LEAST, ("warp-edge:labels",), {"component": "own"})
    config = changed(config, ("warp-edge:ingress", "sourceRanges"), ["203.0.113.0/24"])
    settings = parse(config, tmp_path, shared)
    assert settings.labels == {"platform": "warp", "component": "own"}
    assert settings.ingress.namespace == "voice"
    assert settings.ingress.source_ranges == ("203.0.113.0/24",)
    assert settings.ingress.udp.ports == {"sip": 5060}, "the stack's own comes first"
    assert str(settings.cost.before) == "40.5"


def test_a_needed_setting_may_be_shared_and_the_engines_empty_default_does_not_hide_it(tmp_path: Path) -> None:
    config = LEAST | {"warp-edge:dns": {}}
    settings = parse(config, tmp_path, "config: {warp-edge:dns: {domain: example.net, backend: gandi}}")
    assert (settings.dns.domain, settings.dns.backend) == ("example.net", "gandi")


def test_a_wrong_value_is_reported_with_the_file_that_it_stands_in(tmp_path: Path) -> None:
    config = changed(LEAST, ("warp-edge:dns", "srv"), {"weight": -1})
    shared = "config: {warp-edge:dns: {srv: {priority: -2}}, warp-edge:cost: {before: -3}}"
    problems = refused(config, tmp_path, shared)
    assert {problem.key: problem.file for problem in problems} == {
        "warp-edge:dns.srv.priority": "shared.yaml",
        "warp-edge:dns.srv.weight": "",
        "warp-edge:cost.before": "shared.yaml",
    }
    assert sum("(in shared.yaml)" in str(problem) for problem in problems) == 2


def test_an_unknown_key_is_refused_in_a_shared_file_as_well(tmp_path: Path) -> None:
    (problem,) = refused(LEAST, tmp_path, "config: {warp-edge:dsn: {}}")
    assert (problem.key, problem.file, problem.wrong) == ("warp-edge:dsn", "shared.yaml", "no such setting")


@pytest.mark.parametrize(
    ("shared", "key"),
    [
        ("config: {warp-edge:gandiToken: abc}", "warp-edge:gandiToken"),
        ("config: {warp-edge:gandiToken: {secure: abc}}", "warp-edge:gandiToken"),
        ("config: {warp-edge:labels: {a: {secure: abc}}}", "warp-edge:labels.a"),
        ("config: {warp-edge:trunkAcl: {list: [{secure: abc}]}}", "warp-edge:trunkAcl.list[0]"),
        ("config: {warp-edge:noticeDays: 7}", "warp-edge:noticeDays"),
        ("config: {warp-edge:protect: false}", "warp-edge:protect"),
        ("config: {warp-edge:region: us-central1}", "warp-edge:region"),
        ("config: {warp-edge:shared: shared.yaml}", "warp-edge:shared"),
        ("config: {gcp:project: warp-prod}", "warp-edge:shared"),
        ("config: {labels: {}}", "warp-edge:shared"),
    ],
)
def test_what_is_a_secret_or_a_stacks_own_cannot_be_shared(tmp_path: Path, shared: str, key: str) -> None:
    (problem,) = refused(LEAST, tmp_path, shared)
    assert (problem.key, problem.file) == (key, "shared.yaml")
    assert "abc" not in str(problem)


@pytest.mark.parametrize(
    ("shared", "wrong"),
    [
        ("", "not a settings file"),
        ("[]", "not a settings file"),
        ("warp-edge:labels: {}", "not a settings file"),
        ("config: 7", "not a settings file"),
        ("config: {warp-edge:labels: &a {x: y}, warp-edge:cost: *a}", "an alias"),
        ("config: {warp-edge:labels: !!python/name:os.system x}", "a tag"),
        ("config: {warp-edge:labels: {a: b, a: c}}", "is given twice"),
        ("config: {warp-edge:labels: {a: 010}}", "is read as int by YAML"),
        ("config: {warp-edge:labels: {a: 2026-01-01}}", "is read as timestamp by YAML"),
        ("config: {warp-edge:labels: {a: .inf}}", "is read as float by YAML"),
        ("config: {" + "a: {" * 20 + "}" * 21, "nested too deeply"),
        ("config: [", "not YAML"),
        ("config: {warp-edge:labels: {a: '\x00'}}", "not YAML"),
        ("#" * 1_000_001, "too large"),
    ],
)
def test_a_file_that_is_no_settings_is_refused_in_words(tmp_path: Path, shared: str, wrong: str) -> None:
    (problem,) = refused(LEAST, tmp_path, shared)
    assert problem.key == "warp-edge:shared"
    assert wrong in problem.wrong
    assert "shared.yaml" in problem.value


@pytest.mark.parametrize(
    "name", ["../shared.yaml", "/etc/passwd", "link.yaml", "gone.yaml", ".", "a\x00b", "x" * 5_000]
)
def test_a_file_that_is_not_of_the_program_is_refused(tmp_path: Path, name: str) -> None:
    program = tmp_path / "program"
    program.mkdir()
    (tmp_path / "shared.yaml").write_text("config: {}")
    (program / "link.yaml").symlink_to(tmp_path / "shared.yaml")
    with pytest.raises(SettingsError) as error:
        Settings.parse(as_engine_gives_it(LEAST | {"warp-edge:shared": name}), folder=program)
    (problem,) = error.value.problems
    assert problem.key == "warp-edge:shared"


keys = some.one_of(any_text, some.sampled_from(["dns", "ingress", "labels", "cost", "egress", "region", "gandiToken"]))


@cases(400)
@given(some.one_of(any_text, some.dictionaries(keys, anything, max_size=3).map(as_a_file)))
def test_whatever_stands_in_a_shared_file_is_reported_in_words(text: str) -> None:
    with TemporaryDirectory() as folder:
        (Path(folder) / "shared.yaml").write_text(text, encoding="utf-8", errors="surrogatepass")
        try:
            Settings.parse(as_engine_gives_it(LEAST | SHARED), folder=Path(folder))
        except SettingsError as error:
            assert_readable(error)
