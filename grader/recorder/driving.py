"""Drives one callback through made-up epochs as ``fit`` would, with a stand-in for the model."""

from __future__ import annotations

import contextlib
import io
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Logs = dict[str, float]
TEXT_LIMIT = 500
_TRAINING = frozenset(
    {"fit", "evaluate", "predict", "train_on_batch", "test_on_batch", "predict_on_batch", "save", "save_weights"}
    | {"load_weights", "compile", "export"}
)


class NotDrivenError(RuntimeError):
    """The callback asks its model for more than a made-up run can give."""


class TimeUp(BaseException):
    """The probes' time is over; no ``Exception``, so that ``except Exception`` in a callback does not keep it."""


class StandIn:
    """What a callback sees as its model: it can be told to stop, and keeps weights; the rest is the real one's."""

    def __init__(self, real: Any = None) -> None:
        self.stop_training = False
        self._real = real
        self._weights = [np.zeros((2, 2), np.float32), np.zeros(2, np.float32)]

    def get_weights(self) -> list[Any]:
        """Two small arrays."""
        return [array.copy() for array in self._weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Keeps them."""
        self._weights = [np.array(array) for array in weights]

    def __call__(self, *_: Any, **__: Any) -> Any:
        """:raises NotDrivenError: always."""
        raise NotDrivenError("it calls the model")

    def __getattr__(self, name: str) -> Any:
        if name in _TRAINING:
            raise NotDrivenError(f"it calls {name} of the model")
        if name.startswith("__") or self.__dict__.get("_real") is None:
            raise AttributeError(name)
        return getattr(self._real, name)


@dataclass(frozen=True)
class Run:
    """How one made-up run went: ``stopped_at`` is an epoch from 0.

    ``ending_error``: what ``on_train_end`` raised though nothing had stopped the run. It is no ``error``, as it does
    not touch where the callback stops.
    """

    stopped_at: int | None = None
    error: str | None = None
    printed: str = ""
    ending_error: str | None = None


class _Sink(io.TextIOBase):
    """Keeps the beginning of what is written."""

    def __init__(self) -> None:
        self.text = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.text += str(text)[: TEXT_LIMIT - len(self.text)]
        return len(text)


class Driver:
    """Runs callbacks within a deadline.

    :param models: all models of the notebook: a callback may stop one by its global name.
    :param handed: makes of logs what a callback is handed.
    """

    def __init__(
        self,
        deadline: float,
        models: Callable[[], Sequence[Any]] = tuple,
        handed: Callable[[Logs], Logs] = dict,
    ) -> None:
        self._deadline = deadline
        self._models = models
        self._handed = handed

    def check_time(self) -> None:
        """:raises TimeUp: the deadline has passed."""
        if time.monotonic() > self._deadline:
            raise TimeUp

    def run(self, callback: Any, logs: Sequence[Logs], *, real: Any = None, epochs: int | None = None) -> Run:
        """One run of ``len(logs)`` epochs at most; whatever the callback raises becomes ``error``.

        :raises TimeUp: the deadline has passed.
        """
        sink = _Sink()
        model = StandIn(real)
        for other in self._models():
            if getattr(other, "stop_training", False):
                other.stop_training = False
        try:
            with contextlib.redirect_stdout(sink), contextlib.redirect_stderr(_Sink()):
                stopped = self._epochs(callback, model, logs, epochs or len(logs))
                ending_error = self._ending(callback, logs, stopped)
        except TimeUp:
            raise
        except BaseException as error:  # SystemExit and the like: the student's code must not end the probes
            self.check_time()
            return Run(error=_said(error), printed=sink.text)
        return Run(stopped, printed=sink.text, ending_error=ending_error)

    def _epochs(self, callback: Any, model: StandIn, logs: Sequence[Logs], epochs: int) -> int | None:
        """Keras' own order: ``Trainer.fit`` of Keras 3 and ``Model.fit`` of Keras 2 call these hooks alike."""
        callback.set_params({"verbose": 0, "epochs": epochs, "steps": 1})
        callback.set_model(model)
        callback.on_train_begin({})
        stopped = None
        for epoch, values in enumerate(logs):
            self.check_time()
            seen = {name: value for name, value in values.items() if not name.startswith("val_")}
            callback.on_epoch_begin(epoch, {})
            callback.on_train_batch_begin(0, {})
            callback.on_train_batch_end(0, self._handed(seen))
            if len(seen) < len(values):
                callback.on_test_begin({})
                held = {n.removeprefix("val_"): v for n, v in values.items() if n not in seen}
                callback.on_test_end(self._handed(held))
            callback.on_epoch_end(epoch, self._handed(values))
            if model.stop_training or any(getattr(other, "stop_training", False) for other in self._models()):
                stopped = epoch
                break
        return stopped

    def _ending(self, callback: Any, logs: Sequence[Logs], stopped: int | None) -> str | None:
        """Ends the run; of a stopped one it lets through what ``on_train_end`` raises, of any other it returns that.

        What it asks its model for is no matter: the training is over.
        """
        last = logs[-1 if stopped is None else stopped] if logs else {}
        try:
            with contextlib.suppress(NotDrivenError):
                callback.on_train_end(self._handed(last))
        except TimeUp:
            raise
        except BaseException as error:
            if stopped is not None:
                raise
            self.check_time()
            return _said(error)
        return None


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:TEXT_LIMIT]


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raises :class:`TimeUp` in this thread after so long, and again and again until the block is left.

    Where there is no such signal (Windows, another thread) only the checks between epochs end a probe.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(*_: Any) -> None:
        raise TimeUp

    before = signal.signal(signal.SIGALRM, ring)
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds, 0.5)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
