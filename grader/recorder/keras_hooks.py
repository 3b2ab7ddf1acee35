"""Records what Keras is asked to do, and makes it repeatable.

Methods of ``Model`` are wrapped on the class, so that a subclass which calls ``super().fit`` is recorded too. The
wrapper calls the original with what it was given; only the quick budget changes it (fewer epochs and rows).
"""

from __future__ import annotations

import functools
import inspect
import json
import random
import sys
import weakref
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from grader.recorder import facts
from grader.recorder.bare import bared
from grader.recorder.compatibility import give_sequential_ends
from grader.recorder.custom import CustomFits
from grader.recorder.files import FileHooks, bound_in_many_places
from grader.recorder.guard import Guard
from grader.recorder.importing import look_ahead, rebind
from grader.recorder.moved import WeightsWatch
from grader.recorder.pipelines import feed_arrays_directly
from grader.recorder.probes import FITS_LIMIT, CallbackFit
from grader.recorder.replay import Replay
from grader.recorder.session import Session
from grader.recorder.training import Training, longer


class _Tracked:
    """What the recorder remembers of one model."""

    def __init__(self, ident: str) -> None:
        self.ident = ident
        self.compiled: dict[str, Any] = {}
        self.latest_fit: str | None = None
        self.config_text: str | None = None
        self.config_file: str | None = None
        self.configs = 0


class KerasHooks:
    """Wraps one generation of Keras; ``keras`` is the imported top module (``keras`` or ``tf_keras``)."""

    def __init__(self, session: Session, keras: ModuleType, guard: Guard | None = None) -> None:
        self.session = session
        self.guard = guard or Guard(session)
        self.keras = keras
        self.only_watch = session.settings.only_watch
        self.weights = WeightsWatch(self)
        self.replay = Replay(self)
        self._models: weakref.WeakKeyDictionary[Any, _Tracked] = weakref.WeakKeyDictionary()
        self.custom_fits = CustomFits(session)
        self.callback_fits: deque[CallbackFit] = deque(maxlen=FITS_LIMIT)

    def install(self) -> None:
        """Seeds everything (unless it only watches) and wraps the methods."""
        session = self.session
        if not self.only_watch:
            self._seed_initializers()
            self.reseed("start")
            feed_arrays_directly(self.keras)
        give_sequential_ends(self.keras, session)
        session.emit("session", versions=self._versions(), runtime=session.settings.runtime, seed=session.settings.seed)
        model = self.keras.Model
        for name, wrapper in (
            ("compile", self._compile),
            ("fit", self._fit),
            ("evaluate", self._evaluate),
            ("predict", self._predict),
        ):
            # Where it is defined: Keras 3 does not compile a loaded model whose class has a `compile` of its own.
            owner = next((cls for cls in model.__mro__ if name in vars(cls)), model)
            setattr(owner, name, self._wrapped(getattr(model, name), wrapper))
        self.weights.install()
        FileHooks(self).install()
        if not self.only_watch:
            self.guard.watch_keras(self)

    def _versions(self) -> dict[str, str]:
        modules = {n: sys.modules.get(n) for n in ("tensorflow", "keras", "tf_keras", "numpy")}
        found = {n: str(getattr(m, "__version__", "")) for n, m in modules.items() if m is not None}
        return {"python": sys.version.split()[0], **{n: v for n, v in found.items() if v}}

    def _wrapped(self, original: Callable[..., Any], around: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def method(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self.session.depth:
                return original(model, *args, **kwargs)
            return around(functools.partial(original, model), model, args, kwargs)

        return method

    # Seeds

    def _seed_initializers(self) -> None:
        """Initial weights and dropout draw their default seeds from a generator of our own: plotting between two models
        that draws from ``random`` or ``numpy.random`` then changes nothing.
        """
        module = sys.modules.get(f"{self.keras.__name__}.src.random.seed_generator")
        if module is not None and hasattr(module, "python_random"):
            vars(module)["python_random"] = self.session.initializer_random
        utils = self.keras.utils
        original = utils.set_random_seed

        @functools.wraps(original)
        def set_random_seed(seed: int) -> None:
            seed = self.session.seeds.shifted(seed)
            self.session.seeds.exactly(original, seed)
            self.session.initializer_random.seed(int(seed))

        rebind(original, set_random_seed, (self.keras.__name__,))  # ``tf.keras.utils`` is only made later, from there
        self._original_set_random_seed = original

    def reseed(self, *parts: object) -> int:
        """Seeds Python, numpy and TensorFlow for ``parts``; the seed."""
        seed = self.session.seed_for(*parts)
        self.session.seeds.exactly(self._original_set_random_seed, seed)
        return seed

    # Models

    def track(self, model: Any) -> _Tracked:
        """What is remembered of ``model``; a new model gets an identifier."""
        if model not in self._models:
            self._models[model] = _Tracked(self.session.next_id("model"))
        return self._models[model]

    def models(self) -> list[Any]:
        """All models that are still there."""
        return list(self._models)

    def emit_model(self, model: Any) -> _Tracked:
        """Describes the model as it is now."""
        tracked = self.track(model)
        with bared(model):
            described = facts.model_facts(model, tracked.compiled)
            self._write_config(model, tracked, described["custom"])
        described["custom"] = tracked.config_file is None  # whatever the reason: only the kernel itself can run it
        self.session.emit("model", model=tracked.ident, config=tracked.config_file, **described)
        return tracked

    def _write_config(self, model: Any, tracked: _Tracked, custom: bool) -> None:
        if custom:
            tracked.config_file = None
            return
        try:
            text = json.dumps(_strip(self.keras.saving.serialize_keras_object(model)), sort_keys=True)
        except Exception as error:
            tracked.config_file = None
            self.session.note("no-config", f"{tracked.ident}: {error}")
            return
        if text != tracked.config_text:
            tracked.configs += 1
            tracked.config_text = text
            tracked.config_file = f"{tracked.ident}.config-{tracked.configs}.json"
            self.path(tracked.config_file).write_text(text, "utf-8")

    def path(self, name: str) -> Path:
        """Where a claim of this name goes."""
        return self.session.settings.claims / name

    def quietly(self, where: str, action: Callable[[], Any]) -> Any:
        """Recording must not disturb: a fault of ours is noted and the notebook goes on."""
        state = random.getstate()
        self.session.depth += 1
        self.session.quiet += 1
        try:
            return action()
        except Exception as error:
            self.session.fault(where, error)
            return None
        finally:
            self.session.depth -= 1
            self.session.quiet -= 1
            random.setstate(state)

    # Wrapped methods

    def _compile(self, call: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
        result = self._inside(call, args, kwargs)

        def record() -> None:
            given = _bound(call, args, kwargs)
            self.track(model).compiled = {"loss": given.get("loss"), "metrics": given.get("metrics")}
            self.emit_model(model)
            self.weights.first_look(model)

        self.quietly("compile", record)
        return result

    def _inside(self, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Runs the original; calls that Keras makes within it are not recorded on their own."""
        self.session.depth += 1
        try:
            return call(*args, **kwargs)
        finally:
            self.session.depth -= 1

    def _fit(self, call: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
        try:
            given = _bound(call, args, kwargs)
        except TypeError:
            return self._inside(call, args, kwargs)  # wrong arguments: Keras says so itself
        training = Training(self, model, given)
        if not self.only_watch:
            self.quietly("guard", self.guard.look)
            self.quietly("guard", self.guard.look_everywhere)
        self.quietly("fit", training.prepare)
        key = self.replay.fit_key(model, training.arguments)
        if not self.only_watch:
            training.seed = self.reseed("fit", key or training.ident)
        reason, error = "completed", None
        try:
            history = self._inside(self._train, (training, key, call), {})
            self.quietly("guard", lambda: self.guard.check_callbacks(training.ident, history, training.epochs_run))
            return history
        except KeyboardInterrupt:
            reason = "interrupted"
            raise
        except BaseException as problem:
            reason, error = "error", f"{type(problem).__name__}: {problem}"[:2000]
            raise
        finally:
            self.quietly("fit end", functools.partial(training.finish, reason, error))
            if key is not None:
                self._reseed_after(key)

    def _train(self, training: Training, key: str | None, call: Callable[..., Any]) -> Any:
        """Replays the training where it is known, else makes it."""
        known = self.replay.fit(training, key, call) if key is not None else None
        if known is None:
            return call(**training.arguments)
        training.replayed = True
        return known.run()

    def _reseed_after(self, key: str) -> None:
        """What is drawn next depends on this training alone, not on what it has drawn itself."""
        self.session.initializer_random.seed(self.reseed("after", key))

    def _evaluate(self, call: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
        given = self.quietly("evaluate", lambda: _bound(call, args, kwargs)) or {}
        rows = self.session.settings.quick_rows
        if rows and given:
            given = given | {k: v[:rows] for k, v in given.items() if k in ("x", "y") and longer(v, rows)}
            args, kwargs = (), given
        result = self._inside(self._known_or, (self.replay.evaluate, model, given, call, args, kwargs), {})

        def record() -> None:
            tracked = self.track(model)
            results = {str(k): float(v) for k, v in model.get_metrics_result().items()}
            x = self._describe(given.get("x"))
            self.session.emit("evaluate", model=tracked.ident, x=x, results=results, after_fit=tracked.latest_fit)

        self.quietly("evaluate", record)
        return result

    def _predict(self, call: Callable[..., Any], model: Any, args: Any, kwargs: Any) -> Any:
        given = self.quietly("predict", lambda: _bound(call, args, kwargs)) or {}
        result = self._inside(self._known_or, (self.replay.predict, model, given, call, args, kwargs), {})

        def record() -> None:
            tracked = self.track(model)
            x = self._describe(_bound(call, args, kwargs).get("x"))
            shape = list(getattr(result, "shape", ())) or None
            self.session.emit("predict", model=tracked.ident, x=x, output_shape=shape, after_fit=tracked.latest_fit)

        self.quietly("predict", record)
        return result

    def _known_or(
        self, answer: Callable[..., Any], model: Any, given: Any, call: Callable[..., Any], args: Any, kwargs: Any
    ) -> Any:
        """The answer of the replay store; where there are no arguments that can be told, or it has none, the call's."""

        def really() -> Any:
            return call(*args, **kwargs)

        return answer(model, given, really) if given else really()

    def _describe(self, value: Any) -> dict[str, Any]:
        return self.replay.describe(value)


def find_names(keras: ModuleType) -> None:
    """Before a fork: what :class:`KerasHooks` will look for in hundreds of modules."""
    package = keras.__name__
    for original, packages in (*bound_in_many_places(package), (keras.utils.set_random_seed, (package,))):
        look_ahead(original, packages)


def _bound(call: Callable[..., Any], args: Any, kwargs: Any) -> dict[str, Any]:
    """All arguments by name, as given (defaults left out)."""
    bound = inspect.signature(call).bind(*args, **kwargs)
    given = dict(bound.arguments)
    return {**given, **given.pop("kwargs", {})}


def _strip(config: Any) -> Any:
    """The config without what belongs to compiling and building: the verifier only predicts."""
    if isinstance(config, dict):
        return {k: _strip(v) for k, v in config.items() if k not in ("compile_config", "build_config")}
    return [_strip(v) for v in config] if isinstance(config, list | tuple) else config
