import importlib
import importlib.util
import sys

import pytest

from grader.recorder.importing import AfterImport, look_ahead, rebind


@pytest.fixture
def after(monkeypatch):
    """A finder of our own; ``sys.meta_path`` is as before once the test ends."""
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    return AfterImport()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes an importable module; forgotten again afterwards."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(name, text="ran = True\n"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        path = tmp_path / f"{name.replace('.', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        return name

    yield write
    for name in [n for n, m in sys.modules.items() if str(tmp_path) in str(getattr(m, "__file__", ""))]:
        del sys.modules[name]


def test_a_hook_runs_once_after_its_module_has_run(after, module):
    seen = []
    after.add(module("late_module"), lambda m: seen.append(m.ran))
    assert seen == []
    imported = importlib.import_module("late_module")
    assert seen == [True]
    importlib.reload(imported)
    assert seen == [True]


def test_a_module_that_is_there_already_is_handed_over_at_once(after, module):
    importlib.import_module(module("early_module"))
    seen = []
    after.add("early_module", seen.append)
    assert seen == [sys.modules["early_module"]]


def test_asking_whether_a_module_exists_does_not_use_the_hook_up(after, module):
    seen = []
    after.add(module("asked_module"), seen.append)
    assert importlib.util.find_spec("asked_module") is not None
    assert seen == []
    assert "asked_module" not in sys.modules
    importlib.import_module("asked_module")
    assert len(seen) == 1


def test_an_imported_module_looks_as_it_would_without_us(after, module):
    name = module("plain_module", "seen_loader = type(__loader__).__name__\n")
    after.add(name, lambda m: None)
    loaded = importlib.import_module(name)
    plain = importlib.import_module(module("another_module"))
    assert type(loaded.__loader__) is type(plain.__loader__)
    assert type(loaded.__spec__.loader) is type(plain.__spec__.loader)
    assert loaded.__file__.endswith("plain_module.py")


def test_a_module_inside_a_package_can_be_waited_for(after, module):
    module("pack/__init__".replace("/", "."), "")
    seen = []
    after.add(module("pack.inner"), seen.append)
    importlib.import_module("pack.inner")
    assert [m.__name__ for m in seen] == ["pack.inner"]


def test_a_module_that_does_not_exist_is_still_missing(after):
    after.add("no_such_module_here", lambda m: None)
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module_here")
    assert importlib.util.find_spec("no_such_module_here") is None


def test_a_module_that_fails_to_import_fails_as_before_and_can_be_tried_again(after, module):
    seen = []
    name = module("broken_module", "raise KeyError('first')\n")
    after.add(name, seen.append)
    with pytest.raises(KeyError):
        importlib.import_module(name)
    assert seen == []
    module("broken_module", "ran = 'second'\n")
    importlib.invalidate_caches()
    sys.path_importer_cache.clear()
    importlib.import_module(name)
    assert [m.ran for m in seen] == ["second"]


def test_modules_that_nobody_waits_for_are_not_touched(after):
    assert after.find_spec("json", None) is None


@pytest.mark.parametrize("ahead", [True, False])
def test_a_function_is_replaced_under_all_names_whether_or_not_they_were_looked_up_before(module, ahead):
    maker = importlib.import_module(module("home_maker", "def make(): return 'made'\n"))
    for name in ("home_early", "home_changed", "stranger"):
        importlib.import_module(module(name, "from home_maker import make as own\n"))
    packages = ("home_maker", "home_early", "home_changed", "home_late")
    original = maker.make
    if ahead:
        look_ahead(original, packages)
    importlib.import_module(module("home_late", "from home_maker import make\n"))
    sys.modules["home_changed"].own = len
    rebind(original, print, packages)
    names = [sys.modules[n].own for n in ("home_early", "home_changed", "stranger")]
    assert [maker.make, sys.modules["home_late"].make, *names] == [print, print, print, len, original]
