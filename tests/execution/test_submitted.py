"""What was saved in the notebook is kept before its outputs are made anew."""

import pytest

from grader.evidence.submitted import read_saved

pytestmark = pytest.mark.slow


def test_the_outputs_that_were_handed_in_are_kept_folded_beside_the_new_ones(run, notebook, tmp_path):
    content = notebook("print('new')", "1 / 0")
    bar = "1/9 [>..]\r9/9 [==]\nold\n"
    content["cells"][0] |= {
        "outputs": [{"output_type": "stream", "name": "stdout", "text": bar}],
        "execution_count": 7,
    }
    run(content)
    saved = read_saved(tmp_path / "evidence")
    assert [(c.text, c.count, c.error) for c in saved] == [("9/9 [==]]\nold\n", 7, None), ("", None, None)]
