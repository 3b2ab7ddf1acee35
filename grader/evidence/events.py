"""The schema of ``events.jsonl``, one JSON object a line, written by :mod:`grader.recorder` in the student's kernel.

Everything here is a *claim*. msgspec checks types, ranges and lengths while decoding; NaN and infinity are not JSON and
are written as ``null`` by the recorder. Paths are bare file names inside the evidence folder.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

Name = Annotated[str, Meta(max_length=200)]
Ident = Annotated[str, Meta(pattern=r"^[a-z]+-[0-9]{1,6}$")]
FileName = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,80}$")]
Count = Annotated[int, Meta(ge=0, le=10**12)]
Source = Annotated[str, Meta(max_length=20_000)]
Scalar = None | bool | int | float | Annotated[str, Meta(max_length=2_000)]
Logs = Annotated[dict[Name, None | float], Meta(max_length=64)]
Shape = Annotated[tuple[None | Count, ...], Meta(max_length=16)]
Seed = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]


class LayerFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """One layer, normalised over Keras generations.

    ``config`` holds the main parameters under Keras' names (``filters kernel_size strides padding activation pool_size
    units rate ...``), activations by name; ``output_shape`` has ``None`` for the batch; ``params`` counts numbers.
    """

    class_name: Name
    name: Name
    output_shape: Shape | None = None
    params: Count = 0
    trainable: bool = True
    builtin: bool = True
    config: Annotated[dict[Name, Any], Meta(max_length=32)] = {}


class Array(Struct, frozen=True, forbid_unknown_fields=True):
    """What was given as x or y. ``kind``: ``array``, ``dataset`` (tf.data), ``generator`` or ``none``.

    ``digest`` is of the bytes, ``rows`` names an ``.npz`` with ``rows``: uint64, (n,), scale-free row digests and, for
    a training, ``labels``: int64, (n,) class of each row (-1 where it has none), and ``soft``: bool, (n,) whether it
    holds more than two different numbers (left out where none does). Of a training's x also ``mean`` and ``std`` of
    all numbers, and ``flat``: the share of rows that hold one value only.
    """

    kind: Name = "none"
    shape: Shape | None = None
    dtype: Name | None = None
    digest: Name | None = None
    rows: FileName | None = None
    min: float | None = None
    max: float | None = None
    mean: float | None = None
    std: float | None = None
    flat: float | None = None


class CallbackFacts(Struct, frozen=True, forbid_unknown_fields=True):
    """One callback given to ``fit`` (Keras' own History and progress bar left out)."""

    class_name: Name
    builtin: bool = False
    config: Annotated[dict[Name, Scalar], Meta(max_length=32)] = {}
    source: Source | None = None


class Event(Struct, frozen=True, tag_field="event", kw_only=True):
    """Common part: ``cell`` is the index of the notebook cell that ran, ``t_s`` seconds since the recorder began."""

    cell: Annotated[int, Meta(ge=0, le=10**6)] | None = None
    t_s: float | None = None


class SessionEvent(Event, frozen=True, tag="session"):
    """First event once Keras is imported."""

    versions: Annotated[dict[Name, Name], Meta(max_length=16)]
    runtime: Name
    seed: Seed


class DatasetEvent(Event, frozen=True, tag="dataset"):
    """``load_data`` served from the store (``digest``), or asked for and not there (``digest`` null)."""

    name: Name
    digest: Name | None = None


class ModelEvent(Event, frozen=True, tag="model"):
    """A model as it was at ``compile`` or at the start of ``fit``; a later event of the same id replaces it.

    ``kind``: ``sequential``, ``functional`` or ``subclassed``. ``config``: file name of the JSON config, ``None`` where
    the model has none. ``custom``: it has none, mostly as some class in it is not Keras' own.
    """

    model: Ident
    kind: Name
    layers: Annotated[tuple[LayerFacts, ...], Meta(max_length=500)] = ()
    input_shape: Shape | None = None
    output_shape: Shape | None = None
    params: Count | None = None
    optimizer: Name | None = None
    learning_rate: float | None = None
    loss: Name | None = None
    metrics: Annotated[tuple[Name, ...], Meta(max_length=32)] = ()
    config: FileName | None = None
    custom: bool = False


class FitStartEvent(Event, frozen=True, tag="fit_start"):
    """``fit`` was called. ``train_rows`` counts rows after the validation split where known."""

    fit: Ident
    model: Ident
    x: Array
    y: Array
    batch_size: Count | None = None
    epochs: Count | None = None
    initial_epoch: Count = 0
    validation_split: float | None = None
    validation: Array = Array()
    train_rows: Count | None = None
    class_weight: bool = False
    sample_weight: bool = False
    steps_per_epoch: Count | None = None
    callbacks: Annotated[tuple[CallbackFacts, ...], Meta(max_length=32)] = ()
    weights: FileName | None = None
    seed: Seed | None = None
    capped: bool = False


class EpochEvent(Event, frozen=True, tag="epoch"):
    """One epoch ended; ``epoch`` counts from 0."""

    fit: Ident
    epoch: Count
    logs: Logs


class FitEndEvent(Event, frozen=True, tag="fit_end"):
    """``reason``: ``completed``, ``stopped`` (a callback asked for it), ``error`` or ``interrupted``.

    ``replayed``: answered from the same training that the grader had made before.
    """

    fit: Ident
    reason: Name
    epochs_run: Count
    weights: FileName | None = None
    error: Annotated[str, Meta(max_length=2_000)] | None = None
    duration_s: float | None = None
    replayed: bool = False


class EvaluateEvent(Event, frozen=True, tag="evaluate"):
    """``evaluate`` returned ``results`` (by metric name). ``after_fit``: the model's latest training, if any."""

    model: Ident
    x: Array
    results: Logs
    after_fit: Ident | None = None


class PredictEvent(Event, frozen=True, tag="predict"):
    """``predict`` returned an array of ``output_shape``."""

    model: Ident
    x: Array
    output_shape: Shape | None = None
    after_fit: Ident | None = None


class FigureEvent(Event, frozen=True, tag="figure"):
    """A figure was made (a matplotlib ``Figure``); ``axes`` and ``images`` count what it held when it was shown."""

    axes: Count = 0
    images: Count = 0
    lines: Count = 0


class SaveEvent(Event, frozen=True, tag="save"):
    """A model (``whole``) or its weights were written. ``weights``: digest of them as they were then.

    ``after_fit``: the model's latest training, if any.
    """

    model: Ident
    file: Annotated[str, Meta(max_length=500)]
    whole: bool = True
    weights: Name | None = None
    after_fit: Ident | None = None


class LoadEvent(Event, frozen=True, tag="load"):
    """Weights came from a file, or a model (``whole``).

    ``application``: module of ``keras.applications`` that loaded its published weights (``vgg16``).
    ``own``: this very run wrote the file, and nobody changed it since. ``changed``: the model's weights are others than
    before. ``weights``: digest of them afterwards.
    """

    model: Ident
    file: Annotated[str, Meta(max_length=500)]
    whole: bool = False
    own: bool = False
    changed: bool = True
    application: Name | None = None
    weights: Name | None = None


class CustomPredictionEvent(Event, frozen=True, tag="custom_prediction"):
    """A model that cannot be rebuilt elsewhere predicted in the student zone after the notebook.

    ``file``: ``.npz`` with one array for each set of inputs: int16, (n_examples,), predicted class.
    """

    fit: Ident
    file: FileName


class NoteEvent(Event, frozen=True, tag="note"):
    """Something the recorder did instead of what the notebook asked for (``kind``: ``shell``, ``colab`` ...)."""

    kind: Name
    detail: Annotated[str, Meta(max_length=500)] = ""


class TamperEvent(Event, frozen=True, tag="tamper"):
    """Something that the recording rests on is not as it was (:mod:`grader.recorder.guard`); ``cell`` is the first
    after which it was seen.

    ``by``: module and name of what stands there now. That there is no such event proves nothing.
    """

    what: Name
    by: Name | None = None


class MovedEvent(Event, frozen=True, tag="moved"):
    """Weights of a model were changed by something else than ``fit`` (:mod:`grader.recorder.moved`).

    ``fit``: the training that began with them; ``None``: seen after the last cell. ``by``: what within that training
    was not Keras' own doing (:mod:`grader.recorder.insides`), where that is why.
    """

    model: Ident
    fit: Ident | None = None
    by: Name | None = None


class ProbeEvent(Event, frozen=True, tag="probe"):
    """A callback was driven through a made-up run after the notebook had ended.

    ``callback`` is its place in ``FitStartEvent.callbacks``; ``subject`` the very object (``given``) or one like it as
    it was before its first training (``fresh``). ``logs``: one mapping an epoch; ``stopped_at``: the epoch, from 0,
    after which it wanted to stop. ``printed`` begins what it wrote meanwhile. ``ending_error``: what ``on_train_end``
    raised although nothing had stopped the run.
    """

    fit: Ident
    callback: Count
    subject: Name
    scenario: Name
    logs: Annotated[tuple[Logs, ...], Meta(max_length=200)] = ()
    stopped_at: Count | None = None
    error: Annotated[str, Meta(max_length=500)] | None = None
    printed: Annotated[str, Meta(max_length=500)] = ""
    ending_error: Annotated[str, Meta(max_length=500)] | None = None


class LevelEvent(Event, frozen=True, tag="probe_level"):
    """At which value of which log a callback stops, found by trying values (:mod:`grader.recorder.levels`).

    ``direction``: it stops ``above`` or ``below`` the level, which lies between ``low`` and ``high``. ``joint``: other
    levels must be passed as well. ``always``, ``never``: it stops, or does not, whatever the logs say. An
    ``EarlyStopping`` has ``metric`` alone.
    """

    fit: Ident
    callback: Count
    metric: Name | None = None
    direction: Name | None = None
    low: float | None = None
    high: float | None = None
    at_level_stops: bool | None = None
    joint: bool = False
    always: bool = False
    never: bool = False
    error: Annotated[str, Meta(max_length=500)] | None = None


AnyEvent = (
    SessionEvent
    | DatasetEvent
    | ModelEvent
    | FitStartEvent
    | EpochEvent
    | FitEndEvent
    | EvaluateEvent
    | PredictEvent
    | FigureEvent
    | SaveEvent
    | LoadEvent
    | CustomPredictionEvent
    | TamperEvent
    | MovedEvent
    | ProbeEvent
    | LevelEvent
    | NoteEvent
)

decode_event = msgspec.json.Decoder(AnyEvent).decode
