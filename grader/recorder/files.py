"""Records what leaves for a file and what comes from one: whole models, and weights alone.

Weights that were loaded look like trained ones. What tells them apart is where the file came from: one that this very
run wrote holds what it trained itself (or did not); any other brings what was made elsewhere.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from grader.recorder import arrays
from grader.recorder.importing import rebind

if TYPE_CHECKING:
    from grader.recorder.keras_hooks import KerasHooks

_SAVERS = {"save": True, "export": True, "save_weights": False}
"""Methods of ``Model`` that write: whether they write the whole model."""
_FRAMES = 8


def bound_in_many_places(package: str) -> list[tuple[Callable[..., Any], tuple[str, ...]]]:
    """Functions that save and load whole models, and the packages that have names for them.

    :param package: ``keras`` or ``tf_keras``.
    """
    found: list[tuple[Callable[..., Any], tuple[str, ...]]] = []
    saving = sys.modules.get(f"{package}.src.saving.saving_api")
    if saving is not None:
        found += [(function, (package, "tensorflow")) for function in (saving.save_model, saving.load_model)]
    exporting = sys.modules.get("tensorflow.python.saved_model.save")
    if exporting is not None:
        found.append((exporting.save, ("tensorflow",)))
    return found


class FileHooks:
    """Wraps what saves and loads in one generation of Keras."""

    def __init__(self, hooks: KerasHooks) -> None:
        self._hooks = hooks
        self._session = hooks.session
        self._package = hooks.keras.__name__
        self._written: dict[str, tuple[int, int]] = {}

    def install(self) -> None:
        """Wraps methods of ``Model``, and the functions of ``keras.saving`` under all their names."""
        model = self._hooks.keras.Model
        for name, whole in _SAVERS.items():
            if hasattr(model, name):
                setattr(model, name, self._saver(getattr(model, name), whole))
        model.load_weights = self._weights_loader(model.load_weights)
        for original, packages in bound_in_many_places(self._package):
            loads = original.__name__ == "load_model"
            rebind(original, self._model_loader(original) if loads else self._saver(original, True), packages)

    def _saver(self, original: Callable[..., Any], whole: bool) -> Callable[..., Any]:
        """A function of a model and a path."""

        @functools.wraps(original)
        def save(*args: Any, **kwargs: Any) -> Any:
            outermost = not self._session.depth
            self._session.depth += 1
            try:
                result = original(*args, **kwargs)
            finally:
                self._session.depth -= 1
            model = args[0] if args else kwargs.get("model") or kwargs.get("obj")
            file = args[1] if len(args) > 1 else kwargs.get("filepath") or kwargs.get("export_dir")
            self._hooks.quietly("save", lambda: self._note_saved(model, file, whole, outermost))
            return result

        return save

    def _note_saved(self, model: Any, file: Any, whole: bool, outermost: bool) -> None:
        path = _path(file)
        if path is not None and (stamp := _stamp(path)) is not None:
            self._written[path] = stamp
        if outermost and isinstance(model, self._hooks.keras.Model):
            tracked = self._hooks.track(model)
            self._session.emit(
                "save",
                model=tracked.ident,
                file=_name(file),
                whole=whole,
                weights=arrays.weights_digest(model.get_weights()),
                after_fit=tracked.latest_fit,
            )

    def _weights_loader(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def load_weights(model: Any, *args: Any, **kwargs: Any) -> Any:
            if self._session.depth:
                return original(model, *args, **kwargs)
            application = self._application()
            before = self._hooks.quietly("load", lambda: arrays.weights_digest(model.get_weights()))
            self._session.depth += 1
            try:
                result = original(model, *args, **kwargs)
            finally:
                self._session.depth -= 1
            file = args[0] if args else kwargs.get("filepath")
            self._hooks.quietly("load", lambda: self._note_loaded(model, file, False, before, application))
            return result

        return load_weights

    def _model_loader(self, original: Callable[..., Any]) -> Callable[..., Any]:
        """What Keras compiles while it loads is recorded as any compiling is, so that the model is known."""

        @functools.wraps(original)
        def load_model(*args: Any, **kwargs: Any) -> Any:
            model = original(*args, **kwargs)
            file = args[0] if args else kwargs.get("filepath")
            if not self._session.depth and isinstance(model, self._hooks.keras.Model):
                self._hooks.quietly("load", lambda: self._note_loaded(model, file, True))
            return model

        return load_model

    def _note_loaded(
        self, model: Any, file: Any, whole: bool, before: str | None = None, application: str | None = None
    ) -> None:
        after = arrays.weights_digest(model.get_weights())
        path = _path(file)
        own = path is not None and path in self._written and self._written[path] == _stamp(path)
        changed = whole or before is None or before != after
        ident = self._hooks.track(model).ident
        self._hooks.weights.know(model)
        self._session.emit(
            "load",
            model=ident,
            file=_name(Path(file).name if application else file),
            whole=whole,
            own=own,
            changed=changed,
            application=application,
            weights=after,
        )

    def _application(self) -> str | None:
        """Module of ``keras.applications`` that is loading its weights, ``vgg16`` say; ``None``: the notebook is."""
        frame: FrameType | None = sys._getframe(2)
        prefix = f"{self._package}.src.applications."
        for _ in range(_FRAMES):
            if frame is None:
                return None
            if (name := str(frame.f_globals.get("__name__"))).startswith(prefix):
                return name.removeprefix(prefix)
            frame = frame.f_back
        return None


def _name(file: Any) -> str:
    return str(file if file is not None else "")[-500:]


def _path(file: Any) -> str | None:
    """``None`` for what names no file: an open one, say, or nothing, whose path would be the working folder's."""
    try:
        return str(Path(file).resolve()) if str(file) else None
    except (OSError, RuntimeError, TypeError, ValueError):
        return None


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of the last change; ``None`` where there is no file. A folder's own say little, but do not lie."""
    try:
        facts = Path(path).stat()
    except (OSError, ValueError):
        return None
    return facts.st_size, facts.st_mtime_ns
