"""Callbacks of plain Python and what their probes must show, without any framework."""

REAL_LOGS = {"accuracy": 0.9, "loss": 0.3}
EXPECTED = {
    "never": None,
    "reached-1": 0,
    "reached-3": 2,
    "reached-last": 4,
    "reached-then-lost": 1,
    "again-never": None,
    "again-reached-3": 2,
}


class Callback:
    """The part of Keras' base class that matters; its hooks do nothing."""

    def set_model(self, model):
        self.model = model

    def set_params(self, params):
        self.params = params

    def __getattr__(self, name):
        if name.startswith("on_"):
            return lambda *args, **kwargs: None
        raise AttributeError(name)


class RemembersTheStop(Callback):
    """Has ``stopped`` only once it has stopped a training, and prints it at the end."""

    LEVEL = 0.9

    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > self.LEVEL:
            self.stopped = epoch
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        print("stopped at", self.stopped)  # noqa: T201


def stopping_when(test, **attributes):
    """A class whose instances stop as soon as ``test(logs)`` holds at the end of an epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if test(logs):
            print("Reached it!")  # noqa: T201
            self.model.stop_training = True

    return type("Stopping", (Callback,), {"on_epoch_end": on_epoch_end, **attributes})


class Model:
    stop_training = False


def stops(runs, subject):
    return {name: runs[subject, name].stopped_at for name in EXPECTED}
