from __future__ import annotations

from pathlib import Path

import pytest

from grader.config import Settings, describe, env_name, load_settings
from grader.errors import InvalidSetting


def _load(environ=None, **overrides):
    return load_settings(overrides, environ=environ or {})


def test_later_places_win_over_earlier_ones(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text('seed = 1\njobs = 1\nbudget = "quick"\n', "utf-8")
    environ = {"GRADER_SEED": "2", "GRADER_JOBS": "2"}
    settings = load_settings({"seed": 3, "jobs": None}, environ=environ, file=file)
    assert (settings.seed, settings.jobs, settings.budget, settings.runtime) == (3, 2, "quick", "auto")


def test_the_file_is_found_in_the_course_directory_or_named_by_the_environment(tmp_path):
    (tmp_path / "grader.toml").write_text("seed = 7\n", "utf-8")
    other = tmp_path / "other.toml"
    other.write_text("seed = 8\n", "utf-8")
    assert _load(course=tmp_path).seed == 7
    assert _load({"GRADER_COURSE": str(tmp_path)}).seed == 7
    assert _load({"GRADER_COURSE": str(tmp_path), "GRADER_CONFIG": str(other)}).seed == 8
    assert _load().seed == Settings().seed


def test_a_relative_path_in_a_file_is_relative_to_the_file(tmp_path):
    (tmp_path / "grader.toml").write_text('workspace = "ws"\n', "utf-8")
    assert _load(course=tmp_path).workspace == tmp_path / "ws"
    assert _load(workspace="ws").workspace == Path("ws")


def test_an_empty_environment_variable_counts_as_not_set():
    assert _load({"GRADER_SEED": ""}).seed == Settings().seed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("jobs", "0"),
        ("jobs", "two"),
        ("jobs", True),
        ("jobs", 1.5),
        ("seed", -1),
        ("seed", 2**32),
        ("time_limit_s", "nan"),
        ("time_limit_s", "inf"),
        ("time_limit_s", 0),
        ("time_limit_s", 10**400),
        ("budget", "half"),
        ("language", "de"),
        ("sandbox", ""),
        ("workspace", " "),
        ("workspace", 3),
        ("memory_limit_mib", [1]),
    ],
)
def test_a_bad_value_is_refused_with_its_name_value_origin_and_what_is_expected(name, value):
    with pytest.raises(InvalidSetting) as caught:
        _load(**{name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is {value!r} (from the command line): expected ")


def test_the_origin_of_a_bad_value_is_named(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text('jobs = "many"\n', "utf-8")
    with pytest.raises(InvalidSetting, match=r"from .*grader\.toml"):
        load_settings(environ={}, file=file)
    with pytest.raises(InvalidSetting, match="environment variable GRADER_JOBS"):
        _load({"GRADER_JOBS": "many"})


def test_an_unknown_name_in_a_file_is_refused_with_the_nearest_setting(tmp_path):
    file = tmp_path / "grader.toml"
    file.write_text("job = 2\n", "utf-8")
    with pytest.raises(InvalidSetting, match="did you mean jobs"):
        load_settings(environ={}, file=file)


def test_an_unknown_override_is_refused():
    with pytest.raises(InvalidSetting, match=r"nonsense .* is no setting"):
        _load(nonsense=1)


@pytest.mark.parametrize("content", [b"jobs = ", b"\xff\xfe"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, content):
    file = tmp_path / "grader.toml"
    file.write_bytes(content)
    with pytest.raises(InvalidSetting, match="cannot be read"):
        load_settings(environ={}, file=file)


def test_a_missing_file_that_was_asked_for_is_refused(tmp_path):
    with pytest.raises(InvalidSetting, match="cannot be read"):
        _load({"GRADER_CONFIG": str(tmp_path / "none.toml")})


def test_a_secret_is_shown_neither_by_repr_nor_by_an_error():
    assert "4711" not in repr(_load(held_out_seed=4711))
    assert _load(held_out_seed=4711).held_out_seed == 4711
    with pytest.raises(InvalidSetting) as caught:
        _load(held_out_seed="4711x")
    assert "4711x" not in str(caught.value)


def test_every_setting_is_described_with_its_help_and_variable():
    infos = {info.name: info for info in describe()}
    assert list(infos) == list(Settings.__dataclass_fields__)
    assert all(info.help.endswith(".") and info.env == env_name(name) for name, info in infos.items())
    assert infos["jobs"].default == "number of CPUs of this machine"
    assert infos["time_limit_s"][1:3] == ("number", "none")
    assert infos["budget"].choices == ("full", "quick")


def test_defaults_are_values_that_the_settings_accept():
    defaults = Settings()
    given = {name: getattr(defaults, name) for name in Settings.__dataclass_fields__}
    assert load_settings(given, environ={}) == defaults
    assert defaults.jobs >= 1
    assert defaults.threads_per_kernel == 1


@pytest.mark.parametrize(
    ("given", "value"), [("true", True), ("FALSE", False), ("0", False), ("yes", True), ("off", False)]
)
def test_a_switch_is_understood_in_the_environment(given, value):
    assert load_settings(environ={"GRADER_WARM_KERNELS": given}).warm_kernels is value


@pytest.mark.parametrize("given", ["maybe", "2", "-"])
def test_a_switch_that_is_neither_on_nor_off_is_refused(given):
    with pytest.raises(InvalidSetting, match="expected true or false"):
        load_settings(environ={"GRADER_WARM_KERNELS": given})
