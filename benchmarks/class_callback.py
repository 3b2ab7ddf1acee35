"""``python -m benchmarks.class_callback``: a class at the callback exercise, against nbgrader and plain nbclient.

Of 30, 10 use the reference's experiments and callback as they stand, with words of their own; 12 run its experiments
and write a callback of their own, right or wrong; 2 make other experiments; 4 are unanswered or break; 2 are handed in
again unchanged. One notebook trains for several minutes, so that a class of 8 is what runs where nothing else is said;
every option is as in :mod:`benchmarks.class_b2_1`.
"""

from __future__ import annotations

from typing import Any

from benchmarks._classroom import Kind, arguments, edited, measure, with_remarks
from grader.handout.samples import Edit
from grader.rubric import Assignment

_FIT = """
history = model.fit(training_images, training_labels, epochs=10, callbacks=[{given}])
test_loss, test_acc = model.evaluate(test_images, test_labels)
print(len(history.epoch), test_acc)
"""
_CLASS = """
class {name}(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if {condition}:
            print("\\nGood enough, the training ends.")
            self.model.stop_training = True
"""
_LAMBDA = """
def check(epoch, logs):
    if logs["accuracy"] > {level}:
        print("\\nenough")
        model.stop_training = True

stop = keras.callbacks.LambdaCallback(on_epoch_end=check)
"""
_QUIET = """
class Quiet(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs={}):
        self.model.stop_training = logs["accuracy"] > 0.995
"""
_CALLBACKS = (
    (_CLASS.format(name="Target", condition='logs.get("accuracy") > 0.995'), "Target()"),
    (_LAMBDA.format(level=0.995), "stop"),
    (_CLASS.format(name="Reversed", condition='logs["accuracy"] < 0.995'), "Reversed()"),
    (_CLASS.format(name="Percent", condition='logs.get("accuracy") >= 99.5'), "Percent()"),
    (_QUIET, "Quiet()"),
    (_CLASS.format(name="At90", condition='logs["accuracy"] > 0.9'), "At90()"),
    (_CLASS.format(name="OldName", condition='logs.get("acc") > 0.995'), "OldName()"),
    (_CLASS.format(name="Loss", condition='logs["loss"] < 0.015'), "Loss()"),
    (_CLASS.format(name="AtLeast", condition='(logs or {}).get("accuracy", 0) >= 0.995'), "AtLeast()"),
    (_LAMBDA.format(level=0.99), "stop"),
    (_CLASS.format(name="Unused", condition='logs["accuracy"] > 0.995'), ""),
    (_CLASS.format(name="Late", condition='epoch > 3 and logs["accuracy"] > 0.995'), "Late()"),
)
_OTHER = """
def network(filters):
    net = keras.Sequential([keras.Input(shape=(28, 28, 1))])
    for n in filters:
        if n:
            net.add(layers.Conv2D(n, 3, activation="relu"))
        net.add(layers.MaxPooling2D(2))
    net.add(layers.Flatten())
    net.add(layers.Dense(128, activation="relu"))
    net.add(layers.Dense(10, activation="softmax"))
    net.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return net

for filters in [(32, 32), (16, 16), (64, 64), (32,), (32, 32, 32), (32, 0, 0)]:
    net = network(filters)
    net.fit(training_images[:{images}], training_labels[:{images}], epochs=2, verbose=0)
    print(filters, net.evaluate(test_images, test_labels, verbose=0)[1])
"""


def _answer(number: int) -> Edit:
    text = f"With more filters the training is slower and the accuracy a little higher ({number})."
    return Edit("answer 2-1", "replace", f'# %% [markdown] tags=["answer"]\n# {text}')


def as_it_stands(assignment: Assignment, number: int) -> dict[str, Any]:
    """The reference's code, with another answer and other comments."""
    return with_remarks(edited(assignment, "reference", number, [_answer(number)]), number)


def own_callback(assignment: Assignment, number: int) -> dict[str, Any]:
    """The reference's experiments and another callback."""
    notebook = edited(assignment, "reference", 100 + number, [_answer(number)])
    written, given = _CALLBACKS[number]
    classes, fits = (cell for cell in notebook["cells"][-2:])
    classes["source"], fits["source"] = written.strip(), _FIT.format(given=given).strip()
    return notebook


def own_experiments(assignment: Assignment, number: int) -> dict[str, Any]:
    """Other experiments, a right callback."""
    written, given = _CALLBACKS[0]
    edits = [
        Edit("code 2-1", "replace", _OTHER.replace("{images}", str(5000 + 500 * number)).strip()),
        _answer(number),
        Edit("end", "replace", written.strip() + "\n\n" + _FIT.format(given=given).strip()),
    ]
    return edited(assignment, "template", 200 + number, edits)


def unfinished(assignment: Assignment, number: int) -> dict[str, Any]:
    """Nothing but the header, or code that breaks."""
    if number % 2 == 0:
        return edited(assignment, "template", 300 + number)
    broken = "class Stop(keras.callbacks.Callbck):\n    pass\n" + _FIT.format(given="Stop()")
    return edited(assignment, "template", 300 + number, [_answer(number), Edit("end", "replace", broken.strip())])


KINDS = (
    Kind("reference's code as it stands", 10, as_it_stands),
    Kind("own callback", 12, own_callback),
    Kind("own experiments", 2, own_experiments),
    Kind("unanswered or breaks", 4, unfinished),
)


if __name__ == "__main__":
    measure("conv-callback", KINDS, arguments(__doc__ or "", n=8, peers=2))
