"""Planted copies are found, students who share what was handed out are not; flags point, and take nothing."""

from __future__ import annotations

import copy
import json
import random
import re
from pathlib import Path

import chrome as browser
import numpy as np
import pytest
from similar_class import answer, disguised, hand_in, handout, notebook, training_log

from grader.config import load_settings
from grader.errors import StoreError
from grader.handout.build import new_cell, reference_notebook
from grader.pipeline import open_context, publish
from grader.pipeline.forgetting import forget_student
from grader.pipeline.publish import counting_results
from grader.pipeline.similar import read_similar, similar_file, similar_page
from grader.similarity import compare_class
from grader.similarity.index import Index
from grader.similarity.prints import code_cell, hashes_of, numbers_of, words_of


@pytest.fixture
def context(tmp_path):
    return make(tmp_path)


def make(folder):
    settings = {"workspace": folder / "workspace", "data_dir": folder / "data", "language": "en"}
    return open_context(load_settings(settings, environ={}), "b2-1")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """Fourteen on their own; copies of the first one's code, the second's words, the third's outputs, a whole file."""
    context = make(tmp_path_factory.mktemp("class"))
    rng = random.Random(11)
    books = {f"21X{n:04}": notebook(context, rng, f"21X{n:04}") for n in range(14)}
    for ident, book in books.items():
        hand_in(context, ident, book)
    hand_in(context, "99CODE", disguised(books["21X0000"], "99CODE", rng))
    words = notebook(context, rng, "99WORDS")
    words["cells"][-2:] = copy.deepcopy(books["21X0001"]["cells"][-2:])
    hand_in(context, "99WORDS", words)
    outputs = notebook(context, rng, "99OUT")
    theirs = next(c for c in books["21X0002"]["cells"] if c.get("outputs"))
    next(c for c in outputs["cells"] if c.get("outputs"))["outputs"] = copy.deepcopy(theirs["outputs"])
    hand_in(context, "99OUT", outputs)
    hand_in(context, "99FILE", books["21X0003"])
    return context, compare_class(context)


def pairs(compared):
    return {
        frozenset((compared.side(m.one).who.split()[0], compared.side(m.other).who.split()[0])): m.kinds
        for m in compared.matches
    }


def test_each_planted_copy_is_found_by_what_was_copied_and_nobody_else(compared):
    assert pairs(compared[1]) == {
        frozenset(("21X0000", "99CODE")): ("code",),
        frozenset(("21X0001", "99WORDS")): ("words",),
        frozenset(("21X0002", "99OUT")): ("outputs",),
        frozenset(("21X0003", "99FILE")): ("file", "code", "words", "outputs"),
    }


def test_the_very_same_file_comes_first(compared):
    assert compared[1].matches[0].kinds[0] == "file"


def test_both_of_a_pair_are_flagged_for_staff_and_keep_their_points(compared):
    context, _ = compared
    publish(context)
    results = {r.student.id: r for r in counting_results(context)}
    flagged = {ident for ident, r in results.items() if any(f.kind == "similar" for f in r.score.flags)}
    assert flagged == {"21X0000", "99CODE", "21X0001", "99WORDS", "21X0002", "99OUT", "21X0003", "99FILE"}
    assert {r.score.points for r in results.values()} == {25.0}
    student = (context.workspace / "reports/b2-1/99CODE.html").read_text("utf-8")
    staff = (context.workspace / "dashboard/b2-1/99CODE.html").read_text("utf-8")
    assert "21X0000" not in student
    assert "imilar" not in student
    assert "Similar to the submission of 21X0000" in staff
    assert 'href="similar-b2-1.html"' in (context.workspace / "dashboard/b2-1.html").read_text("utf-8")


def test_the_index_counts_the_flagged_whichever_assignment_it_was_written_for(compared):
    context, _ = compared
    publish(context)
    index = (context.workspace / "dashboard/index.html").read_text("utf-8")
    publish(open_context(context.settings, "conv-callback"))
    again = (context.workspace / "dashboard/index.html").read_text("utf-8")
    assert (
        re.findall(r'<td class="r">(\S+)</td>', index) == re.findall(r'<td class="r">(\S+)</td>', again) == ["18", "8"]
    )


def test_the_page_shows_both_sides_with_what_matched_marked(compared):
    context, found = compared
    page = similar_page(context.workspace, "b2-1").read_text("utf-8")
    assert page.count('class="training pair"') == len(found.matches)
    assert page.count("<mark>") >= 4
    assert 'href="b2-1/99CODE.html"' in page
    assert "default-src 'none'" in page
    assert "accus" in page
    marked = re.findall(r"<mark>(.*?)</mark>", page, re.DOTALL)
    assert not any("get_data_mnist" in text and "def " in text for text in marked)


def test_what_was_found_is_kept_without_code(compared):
    context, _ = compared
    found = read_similar(context.workspace, "b2-1")
    assert (found.n, len(found.pairs)) == (18, 4)
    assert "keras" not in similar_file(context.workspace, "b2-1").read_text("utf-8")


def test_two_who_did_nothing_but_fill_in_the_template_alike_are_no_pair(context):
    for n in range(2):
        book = copy.deepcopy(handout(context))
        book["cells"][0]["source"] = f"学生証番号 : 21X400{n}"
        hand_in(context, f"21X400{n}", book)
    assert compare_class(context).matches == []


def test_two_who_found_the_expected_answer_are_no_pair(context):
    rng = random.Random(3)
    for n in range(2):
        book = reference_notebook(context.assignment, "ja")
        book["cells"] = [c for c in book["cells"] if c["cell_type"] == "code"]
        book["cells"].insert(0, new_cell("markdown", f"学生証番号 : 21X400{n}\n\n{answer(rng)}", "head"))
        hand_in(context, f"21X400{n}", book)
    assert compare_class(context).matches == []


def test_two_who_work_on_their_own_are_no_pair(context):
    rng = random.Random(5)
    for n in range(2):
        hand_in(context, f"21X400{n}", notebook(context, rng, f"21X400{n}"))
    assert compare_class(context).matches == []


def test_training_logs_under_a_fixed_seed_are_no_sign(context):
    rng = random.Random(6)
    log = training_log(rng)
    for n in range(2):
        book = notebook(context, rng, f"21X400{n}")
        cell = next(c for c in book["cells"] if c.get("outputs"))
        cell["outputs"][0]["text"] = log
        cell["source"] += "\nkeras.utils.set_random_seed(1)"
        hand_in(context, f"21X400{n}", book)
    assert compare_class(context).matches == []


def test_hostile_sources_and_names_are_text_on_the_page(context):
    rng = random.Random(8)
    book = notebook(context, rng, "a")
    for cell in book["cells"]:
        if cell["id"].startswith("own-"):
            cell["source"] = "</pre><script>alert(1)</script>\n" + cell["source"]
    hand_in(context, "<img src=x onerror=alert(2)>", book)
    hand_in(context, "21X4001", disguised(book, "21X4001", rng))
    assert len(compare_class(context).matches) == 1
    page = similar_page(context.workspace, "b2-1").read_text("utf-8")
    assert "<script>" not in page
    assert "<img" not in page
    assert "&lt;script&gt;" in page


def test_a_file_that_is_no_notebook_or_gone_is_like_nobody(context):
    rng = random.Random(9)
    attempt = hand_in(context, "21X4001", notebook(context, rng, "21X4001"))
    (context.workspace / "submissions" / attempt.digest[7:]).unlink()
    other = hand_in(context, "21X4002", notebook(context, rng, "21X4002"))
    (context.workspace / "submissions" / other.digest[7:]).write_bytes(b"%PDF-1.7")
    assert compare_class(context).matches == []


def test_forgetting_a_student_takes_the_pairs_away(context):
    rng = random.Random(10)
    book = notebook(context, rng, "21X4001")
    hand_in(context, "21X4001", book)
    hand_in(context, "21X4002", disguised(book, "21X4002", rng))
    assert len(compare_class(context).matches) == 1
    forget_student(context.settings, "21X4001")
    assert not similar_page(context.workspace, "b2-1").exists()
    assert [f.kind for r in counting_results(context) for f in r.score.flags] == []


def test_a_damaged_list_of_pairs_is_told(context):
    path = similar_file(context.workspace, "b2-1")
    path.parent.mkdir()
    path.write_text('{"pairs": 3}')
    with pytest.raises(StoreError, match="grader similar b2-1"):
        read_similar(context.workspace, "b2-1")


def evidence(context, ident, given, own):
    """One training in a given cell and one in the student's own, each with its weights."""
    folder = context.workspace / "evidence" / "b2-1" / ident
    (folder / "claims").mkdir(parents=True)
    (folder / "execution.json").write_text('{"outcome": "ok"}')
    model = {"event": "model", "model": "model-1", "kind": "sequential"}
    events = [{"event": "session", "versions": {}, "runtime": "keras3", "seed": 1}, model]
    for n, (cell, numbers) in enumerate((given, own), 1):
        name = f"fit-{n}-after.npz"
        np.savez(folder / "claims" / name, w0=np.asarray(numbers, np.float32))
        events.append({"event": "fit_start", "fit": f"fit-{n}", "model": "model-1", "cell": cell, "x": {}, "y": {}})
        events.append({"event": "fit_end", "fit": f"fit-{n}", "reason": "completed", "epochs_run": 1, "weights": name})
    (folder / "claims" / "events.jsonl").write_text("".join(json.dumps(e) + "\n" for e in events))
    return f"b2-1/{ident}"


@pytest.mark.parametrize(("n", "expected"), [(20, [("weights",)]), (12, [])])
def test_the_same_training_is_a_sign_where_few_train_so_and_the_class_is_large_enough(context, n, expected):
    rng = random.Random(12)
    for i in range(n):
        book = notebook(context, rng, f"21X{i:04}")
        own = next(k for k, c in enumerate(book["cells"]) if c["id"] == "own-1")
        given = next(k for k, c in enumerate(book["cells"]) if ".fit(" in c["source"])
        weights = [7.0, 7.0] if i < 2 else [1.0, 1.0] if i < 8 else [float(i), 0.0]
        hand_in(context, f"21X{i:04}", book, evidence(context, f"{i}", (given, [3.0]), (own, weights)))
    found = compare_class(context)
    assert [m.kinds for m in found.matches] == expected
    assert all({m.one, m.other} == {0, 1} for m in found.matches)


def test_the_same_training_in_a_given_cell_is_no_sign(context):
    rng = random.Random(13)
    for i in range(20):
        book = notebook(context, rng, f"21X{i:04}")
        own = next(k for k, c in enumerate(book["cells"]) if c["id"] == "own-1")
        given = next(k for k, c in enumerate(book["cells"]) if ".fit(" in c["source"])
        folder = evidence(context, f"{i}", (given, [3.0 if i < 2 else 100.0 + i]), (own, [float(i)]))
        hand_in(context, f"21X{i:04}", book, folder)
    assert compare_class(context).matches == []


def test_two_who_quote_the_same_task_are_no_pair(context):
    rng = random.Random(14)
    tasks = [c["source"] for c in handout(context)["cells"] if "task" in c["metadata"].get("tags", ())]
    quoted = " ".join(line.lstrip("# ") for source in tasks for line in source.splitlines())
    assert len(quoted) > 100
    for n in range(2):
        book = notebook(context, rng, f"21X400{n}")
        book["cells"].append(new_cell("markdown", f"問題の文: {quoted}", "quoted"))
        hand_in(context, f"21X400{n}", book)
    assert compare_class(context).matches == []


def test_names_strings_and_comments_make_no_difference_to_code():
    one = "model = build(n_units=32)  # mine\nprint('done', model.evaluate(x_test, y_test))\n"
    other = 'net=build(units = 32)\n\nprint("fertig", net.evaluate(a, b)) # other\n'
    assert np.array_equal(code_cell(0, one).hashes, code_cell(0, other).hashes)
    assert not np.array_equal(code_cell(0, one).hashes, code_cell(0, one.replace("32", "33")).hashes)


@pytest.mark.parametrize(
    "source", ["", "!pip install x", "%matplotlib inline\nx = 1", "これは文です。", "def f(:\n", "\ud800x"]
)
def test_any_cell_has_fingerprints(source):
    cell = code_cell(0, source)
    assert cell.matched(cell.hashes) == [] or cell.matched(cell.hashes)[-1][1] <= len(source)


def test_what_matched_is_found_in_the_source():
    source = (
        "class Stop(keras.callbacks.Callback):\n    def on_epoch_end(self, epoch, logs=None):\n        self.x.stop()\n"
    )
    cell = code_cell(0, f"a = 1\n\n{source}\nb = [c for c in d]\n")
    wanted = code_cell(0, source).hashes
    ((start, end),) = cell.matched(wanted)
    assert cell.source[start:end].strip().startswith("class")
    assert "stop" in cell.source[start:end]


def test_runs_of_words_do_not_reach_into_the_next_sentence():
    assert len(words_of(["短い文。", "もう一つ。"])) == 0
    assert np.array_equal(
        words_of(["学習前のフィルタは乱数なので模様がない。"]), words_of(["学習前の フィルタは、乱数なので模様がない"])
    )


def test_a_log_is_its_losses_and_accuracies_not_its_times():
    one = numbers_of(["1s 5ms/step - loss: 0.1234 - accuracy: 0.9876 - val_loss: 0.2345 - val_accuracy: 0.8765"])
    other = numbers_of(["9s 7ms/step - loss: 0.1234 - accuracy: 0.9876 - val_loss: 0.2345 - val_accuracy: 0.8765"])
    assert len(one) == 1
    assert np.array_equal(one, other)


def test_what_many_have_counts_for_nobody():
    common, rare = hashes_of("x" * 26, 25), hashes_of("abcdefghijklmnopqrstuvwxyz0123456789", 25)
    prints = [np.unique(np.concatenate([common, rare])) if n < 2 else np.unique(common) for n in range(9)]
    found = Index(prints, limit=5).pairs(1.0, 0.5)
    assert list(found) == [(0, 1)]
    assert found[0, 1].n == len(rare)


@pytest.mark.slow
@pytest.mark.skipif(browser.find() is None, reason="no Chromium here")
@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_page_has_no_barrier_and_its_policy_refuses_nothing_of_ours(compared, width, scheme):
    import axe_core_python

    page = similar_page(compared[0].workspace, "b2-1")
    axe = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")
    with browser.chrome() as running:
        tab = running.tab()
        tab.size(width, 800)
        tab.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        tab.go(page.as_uri())
        assert tab.run("document.documentElement.scrollWidth <= innerWidth")
        assert tab.complaints == []
        tab.run(axe)
        found = tab.run("axe.run(document, {resultTypes: ['violations']}).then(r => JSON.stringify(r.violations))")
    assert [(v["id"], [n["target"] for n in v["nodes"]][:3]) for v in json.loads(found)] == []
