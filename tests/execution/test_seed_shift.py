"""A notebook that fixes its own seeds repeats itself under every seed of ours, unless they are moved."""

import json

import pytest

pytestmark = pytest.mark.slow
DRAWS = """
import random
import numpy as np
import tensorflow as tf
random.seed(1); print(random.random())
np.random.seed(1); print(np.random.rand())
tf.random.set_seed(1); print(float(tf.random.uniform([])))
tf.keras.utils.set_random_seed(1)
model = tf.keras.Sequential([tf.keras.layers.Input((3,)), tf.keras.layers.Dense(4)])
print(float(abs(model.get_weights()[0]).sum()))
print(random.random()); print(np.random.rand())
"""


def drawn(folder):
    executed = json.loads((folder / "executed.ipynb").read_text("utf-8"))
    outputs = [o for o in executed["cells"][0]["outputs"] if o.get("name") == "stdout"]
    return "".join("".join(o["text"]) for o in outputs).split()


@pytest.mark.parametrize("runtime", ["keras3", "keras2"])
def test_every_draw_follows_the_notebooks_own_seed_and_moves_with_the_shift(run, notebook, tmp_path, runtime):
    if runtime == "keras2":
        pytest.importorskip("tf_keras")
    for name, how in {"first": {"seed": 7}, "same": {"seed": 8}, "moved": {"seed": 8, "seed_shift": 1_000_003}}.items():
        run(notebook(DRAWS), name, runtime=runtime, **how)
    first, same, moved = (drawn(tmp_path / name) for name in ("first", "same", "moved"))
    assert len(first) == 6
    assert first == same
    assert all(a != b for a, b in zip(first, moved, strict=True)), (first, moved)
    assert '"tamper"' not in (tmp_path / "moved" / "claims" / "events.jsonl").read_text("utf-8")
