"""What ``%grader submit-ready`` says of cells that stop in the fresh run."""

import nbformat

from grader.model import CellOutcome, CellRun
from grader.notebook.ready import BREAKS, BREAKS_ONLY_FRESH, FOLLOWS, HIDDEN, Kernel, breaks, missing
from grader.notebook.watch import Ran


def told(sources, stopped, here=()):
    """Sentences and names about cells of these sources; ``stopped``: index to name and text of the error."""
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    ran = [Ran(i, sources[i], cells[i].id, i, None, None) for i in here]
    runs = [
        CellRun(i, CellOutcome.ERROR, error_name=stopped[i][0], error_value=stopped[i][1])
        if i in stopped
        else CellRun(i, CellOutcome.OK)
        for i in range(len(sources))
    ]
    return [(t.id, t.params) for t in breaks(runs, cells, Kernel(ran, {"data", "net"}, ()))]


def not_defined(name):
    return "NameError", f"name '{name}' is not defined"


def test_a_name_that_a_stopped_cell_would_have_made_is_not_called_hidden():
    sources = ["data = load()", "net = fit(data)", "print(net)"]
    stopped = {0: ("OSError", "no network"), 1: not_defined("data"), 2: not_defined("net")}
    assert told(sources, stopped, here=(0, 1, 2)) == [
        (BREAKS_ONLY_FRESH.id, {"cell": "#1", "error": "OSError: no network"}),
        (FOLLOWS.id, {"cell": "#2", "first": "#1", "name": "data"}),
        (FOLLOWS.id, {"cell": "#3", "first": "#2", "name": "net"}),
    ]


def test_a_name_that_only_this_kernel_has_or_that_is_made_further_down_is_hidden_state():
    assert told(["print(data)"], {0: not_defined("data")}) == [(HIDDEN.id, {"cell": "#1", "name": "data"})]
    sources = ["print(data)", "data = load()"]
    stopped = {0: not_defined("data"), 1: ("OSError", "no network")}
    assert [sentence for sentence, _ in told(sources, stopped)] == [HIDDEN.id, BREAKS.id]


def test_missing_cells_are_named_in_their_order_however_a_frontend_sorted_the_stamp():
    given = dict.fromkeys(("1-1", "1-10", "1-9", "2-1", "b2-1-c03"), "")
    cells = [nbformat.v4.new_code_cell("# [1-1]\nx = 1")]
    notebook = {"cells": cells, "metadata": {"grader": {"given": given}}}
    assert [t.params["cells"] for t in missing(notebook)] == ["[1-9], [1-10], [2-1]"]
