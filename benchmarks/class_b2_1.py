"""``python -m benchmarks.class_b2_1``: a class of 30 at B2-1 on full MNIST, against nbgrader and plain nbclient.

10 use the hint code as it stands, with words of their own; 6 train one CNN of their own, 6 a BPNN of their own too; 2
train the hint's CNN for 100 epochs; 4 are unanswered or break; 2 are handed in again unchanged. ``grader grade`` is
measured twice, each time in a fresh workspace: with an empty replay store, so that the reference's own training is in
the time, and with the store that this has filled, as in every later batch of a term.

The peers take about a minute a notebook, one after another: ``--peers 30`` runs them on all, fewer are spread over the
kinds and scaled. ``--no-replay N`` grades N again with every training made for real and compares the scores.
"""

from __future__ import annotations

from typing import Any

from benchmarks._classroom import Kind, arguments, edited, measure, with_remarks
from grader.handout.samples import Edit
from grader.rubric import Assignment

_OWN = [(64, 32, 5, 0.001), (96, 16, 5, 0.001), (160, 32, 5, 0.001), (192, 32, 3, 0.001), (128, 48, 5, 0.001)]
_OWN += [(128, 32, 5, 0.002), (256, 32, 5, 0.001), (100, 24, 5, 0.001), (128, 32, 5, 0.0015), (144, 40, 5, 0.001)]
_OWN += [(112, 32, 3, 0.002), (200, 28, 5, 0.001)]
"""Dense units, filters, kernel size, learning rate: of each who trains a network of their own."""
_CNN = """
(X_small, y_small), _ = get_data_mnist(data_size=600)
small_model = keras.Sequential()
small_model.add(keras.Input(shape=(28, 28, 1)))
small_model.add(layers.Conv2D(filters={filters}, kernel_size={size}, activation="relu"))
small_model.add(layers.MaxPooling2D(pool_size=2))
small_model.add(layers.Flatten())
small_model.add(layers.Dense(units={units}, activation="relu"))
small_model.add(layers.Dense(units=10, activation="softmax"))
model_setup(small_model, lr={rate})
small_log = small_model.fit(X_small, y_small, batch_size=128, epochs={epochs}, validation_split=0.1)
plot_result(small_log)
small_loss, small_accuracy = small_model.evaluate(X_test, y_test, verbose=0)
print(f"CNN loss: {{small_loss:.4f}}  accuracy: {{small_accuracy:.4f}}")
"""
_BPNN = """
bpnn = keras.Sequential([keras.Input(shape=(28, 28, 1)), layers.Flatten(),
                         layers.Dense({units}, activation="relu"), layers.Dense(10, activation="softmax")])
model_setup(bpnn, lr=0.001)
bpnn.fit(X_small, y_small, batch_size=128, epochs=50, validation_split=0.1, verbose=0)
print("BPNN [loss, accuracy]:", bpnn.evaluate(X_test, y_test, verbose=0))
"""
_BROKEN = ('small_model = keras.Sequential([layers.Dense(units="many")])', "small_model.fit(X_600, y_600, epochs=50)")


def _answers(number: int, code: str | None) -> list[Edit]:
    edits = [
        Edit(
            "answer B2-1-1", "replace", _markdown(f"After training the filters look like edges and strokes ({number}).")
        ),
        Edit(
            "answer B2-1-2", "replace", _markdown(f"The CNN is ahead; it shares its weights between places ({number}).")
        ),
    ]
    return edits if code is None else [Edit("code B2-1-2", "replace", code.strip()), *edits]


def _markdown(text: str) -> str:
    return f'# %% [markdown] tags=["answer"]\n# {text}'


def _cnn(units: int, filters: int, size: int, rate: float, epochs: int = 50) -> str:
    return _CNN.format(units=units, filters=filters, size=size, rate=rate, epochs=epochs)


def as_it_stands(assignment: Assignment, number: int) -> dict[str, Any]:
    """The reference's code, with another answer and other comments."""
    return with_remarks(edited(assignment, "reference", number, _answers(number, None)), number)


def own_cnn(assignment: Assignment, number: int) -> dict[str, Any]:
    """A CNN that nobody else has."""
    return edited(assignment, "template", 100 + number, _answers(number, _cnn(*_OWN[number])))


def own_cnn_and_bpnn(assignment: Assignment, number: int) -> dict[str, Any]:
    """A CNN and a BPNN that nobody else has."""
    own = _OWN[len(_OWN) - 1 - number]
    units = 60 + 20 * number
    return edited(assignment, "template", 200 + number, _answers(number, _cnn(*own) + _BPNN.format(units=units)))


def hundred_epochs(assignment: Assignment, number: int) -> dict[str, Any]:
    """The hint's CNN, or with a few more dense units, for 100 epochs."""
    code = _cnn(128 + 8 * number, 32, 5, 0.001, epochs=100)
    return edited(assignment, "template", 300 + number, _answers(number, code))


def unfinished(assignment: Assignment, number: int) -> dict[str, Any]:
    """Nothing but the header, or code that breaks."""
    if number % 2 == 0:
        return edited(assignment, "template", 400 + number)
    return edited(assignment, "template", 400 + number, _answers(number, _BROKEN[number // 2 % len(_BROKEN)]))


KINDS = (
    Kind("hint code as it stands", 10, as_it_stands),
    Kind("own CNN", 6, own_cnn),
    Kind("own CNN and BPNN", 6, own_cnn_and_bpnn),
    Kind("100 epochs", 2, hundred_epochs),
    Kind("unanswered or breaks", 4, unfinished),
)


if __name__ == "__main__":
    measure("b2-1", KINDS, arguments(__doc__ or "", n=30, peers=6))
