"""Starts the verifier's child and reads its answers; no ML framework is imported here."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from grader.errors import VerificationError
from grader.evidence.npz import parse_npy
from grader.model import Text
from grader.sandbox.box import Box, Sandbox
from grader.sandbox.spec import Limits
from grader.verification.allowlist import printable
from grader.verification.inputs import Images, InputForm
from grader.verification.known import KnownPredictions
from grader.warm import WarmJob, WarmPool, WarmProcess

CHILD = Path(__file__).with_name("child.py")
CLASSES_LIMIT = 1_024
_ANSWER_LIMIT_BYTES = 65_536
_SHARED_MIB = 1_024  # what a control group counts and the child's own limit does not: files in memory
_KEPT_ENVIRONMENT = (
    "PATH",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "SYSTEMROOT",
    "WINDIR",
    "SYSTEMDRIVE",
    "NUMBER_OF_PROCESSORS",
)
_STUDENT_SIDE = frozenset({"inputs", "output"})
_REASONS = {
    "rebuild": "The model could not be rebuilt from its recorded description ({detail}).",
    "weights": "The recorded weights do not belong to the recorded model ({detail}).",
    "inputs": "The model does not take the test images ({detail}).",
    "output": "The model does not give one number for each class (its output: {detail}).",
    "memory": "Predicting with the model needs more memory than is allowed.",
    "predict": "Predicting with the rebuilt model failed ({detail}).",
}
_STOPPED = "Re-measuring stopped unexpectedly ({detail})."
_TOO_SLOW = "Re-measuring took longer than {seconds} seconds."


@dataclass(frozen=True, slots=True)
class VerifierSettings:
    """Limits of the child: ``timeout_s`` is for all models of one attempt; ``python`` has the student's Keras.

    :ivar sandbox: what the child is confined in; ``None``: in an empty network namespace, where there are any.
    :ivar known: predictions of the grader's own models, which are not made again.
    :ivar warm: warm processes that the child is forked from where that is possible; they have ``python`` themselves.
    """

    timeout_s: float = 120.0
    memory_limit_mib: int = 4096
    threads: int = 1
    python: str = field(default_factory=lambda: sys.executable)
    sandbox: Sandbox | None = None
    warm: WarmPool | None = None
    known: KnownPredictions | None = None


@dataclass(frozen=True, slots=True)
class Job:
    """One model to predict with.

    :ivar config: checked by :func:`grader.verification.allowlist.clean_config`.
    :ivar weights: in Keras' ``get_weights`` order.
    """

    config: Mapping[str, Any]
    weights: Sequence[npt.NDArray[Any]]
    form: InputForm


@dataclass(frozen=True, slots=True)
class Failure:
    """Why there are no predictions, and whether that is the harness' doing: a fault, or a limit that left it out."""

    reason: Text
    our_fault: bool
    left_out: bool = False


Predictions = dict[str, npt.NDArray[np.int16]]
Answer = Predictions | Failure


def predict_models(
    jobs: Sequence[Job], images: Mapping[str, Images], runtime: str, scratch: Path, settings: VerifierSettings
) -> list[Answer]:
    """Predicted classes of every image set by every model, in a clean process.

    A model that ends the process is blamed alone: the others are tried again in a new one.

    :param images: name to uint8, (n, h, w[, c]).
    :returns: for each job name to int16, (n,), or why not.
    :raises VerificationError: the child cannot be started at all.
    """
    deadline = time.monotonic() + settings.timeout_s
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=scratch, ignore_cleanup_errors=True) as folder:
        directory = Path(folder)
        items = _write_items(directory, jobs, images)
        answers: dict[int, Answer] = {}
        while len(answers) < len(jobs):
            pending = [item for item in items if item["id"] not in answers]
            _write_json(
                directory / "job.json",
                {
                    "runtime": runtime,
                    "memory_limit_mib": settings.memory_limit_mib,
                    "threads": settings.threads,
                    "sandboxed": settings.sandbox is not None,
                    "models": pending,
                },
            )
            stopped = _run(directory, deadline, settings, runtime)
            answers |= _collect(directory, pending, images)
            left = [item["id"] for item in pending if item["id"] not in answers]
            hopeless = not (directory / "ready.json").is_file() or time.monotonic() >= deadline
            answers |= dict.fromkeys(left if hopeless else left[:1], Failure(stopped, our_fault=True))
    return [answers[i] for i in range(len(jobs))]


def _write_items(directory: Path, jobs: Sequence[Job], images: Mapping[str, Images]) -> list[dict[str, Any]]:
    everything = np.concatenate(list(images.values()))
    forms: dict[InputForm, str] = {}
    items = []
    for number, job in enumerate(jobs):
        if job.form not in forms:
            forms[job.form] = f"inputs-{len(forms)}.npy"
            np.save(directory / forms[job.form], job.form.apply(everything), allow_pickle=False)
        item = {"id": number, "config": f"config-{number}.json", "weights": f"weights-{number}.npz"}
        _write_json(directory / str(item["config"]), job.config)
        arrays: dict[str, Any] = {f"w{i:04d}": w for i, w in enumerate(job.weights)}
        np.savez(directory / str(item["weights"]), **arrays)
        items.append({**item, "inputs": forms[job.form]})
    return items


def _write_json(path: Path, value: Mapping[str, Any]) -> None:
    path.unlink(missing_ok=True)  # an earlier child may have put a link there
    path.write_text(json.dumps(value, allow_nan=False), "utf-8")


def child_environment(directory: Path, threads: int) -> dict[str, str]:
    """Nothing of the parent's environment but where its programs and libraries are; repeatable arithmetic."""
    return {name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ} | {
        "HOME": str(directory),
        "TMPDIR": str(directory),
        "TEMP": str(directory),
        "KERAS_HOME": str(directory),
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "TF_DETERMINISTIC_OPS": "1",
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": str(threads),
        "OMP_NUM_THREADS": str(threads),
        "CUDA_VISIBLE_DEVICES": "-1",
        "LANG": "C.UTF-8",
    }


def _run(directory: Path, deadline: float, settings: VerifierSettings, runtime: str) -> Text:
    """Runs the child to its end or the deadline; what to say of models that it left unanswered."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context(tempfile.TemporaryFile())  # not in the folder: that is the child's own
        box = stack.enter_context(_box(settings.sandbox, directory, settings)) if settings.sandbox else None
        process = _process(directory, log, settings, runtime, box)
        try:
            status = process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return Text(_TOO_SLOW, {"seconds": round(settings.timeout_s)})
        finally:
            process.kill()
            process.wait()
        log.seek(max(0, log.seek(0, os.SEEK_END) - 4_000))
        lines = log.read().decode("utf-8", "replace").strip().splitlines()
    return Text(_STOPPED, {"detail": f"exit {status}: {lines[-1] if lines else 'no message'}"[:300]})


def _process(
    directory: Path, log: IO[bytes], settings: VerifierSettings, runtime: str, box: Box | None
) -> subprocess.Popen[bytes] | WarmProcess:
    """The child: forked from a warm process, or started."""
    job = str(directory / "job.json")
    forks = settings.warm is not None and (box is None or box.sandbox.name == "namespaces")
    if settings.warm is None or not forks:
        command = [settings.python, "-I", "-B", str(CHILD), job]
        return _started(box.command(command) if box else command, directory, log, settings)
    environment = child_environment(directory, settings.threads)
    return settings.warm.start(
        runtime, WarmJob([job], environment, directory, box.spec if box else None, script=CHILD), log
    )


def _box(sandbox: Sandbox, directory: Path, settings: VerifierSettings) -> Box:
    """The child sees its program, and the folder with models and inputs."""
    limits = Limits(
        memory_mib=settings.memory_limit_mib + _SHARED_MIB,
        cpu_s=math.ceil(settings.timeout_s) * (os.cpu_count() or 1),
    )
    return Box(sandbox, readable=[CHILD], writable=[directory], cwd=directory, limits=limits, python=settings.python)


def _started(
    command: list[str], directory: Path, log: IO[bytes], settings: VerifierSettings
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command,
            cwd=directory,
            env=child_environment(directory, settings.threads),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    except OSError as error:
        raise VerificationError(
            f"{settings.python} could not be started to re-measure models: {error}: install the program again"
        ) from error


def _collect(directory: Path, items: Sequence[dict[str, Any]], images: Mapping[str, Images]) -> dict[int, Answer]:
    found: dict[int, Answer] = {}
    for item in items:
        path = directory / f"answer-{item['id']}.json"
        if path.is_file() and not path.is_symlink():
            try:
                found[item["id"]] = _answer(directory, item["id"], path, images)
            except Exception as error:  # json and numpy have a dozen ways to fail on crafted bytes
                found[item["id"]] = Failure(
                    Text(_STOPPED, {"detail": printable(f"malformed answer: {error}", 300)}), True
                )
    return found


def _answer(directory: Path, ident: int, path: Path, images: Mapping[str, Images]) -> Answer:
    if path.stat().st_size > _ANSWER_LIMIT_BYTES:
        raise ValueError(f"{path.stat().st_size} bytes")
    answer = json.loads(path.read_text("utf-8"))
    if answer.get("ok") is not True:
        kind = str(answer["error"])
        return Failure(Text(_REASONS[kind], {"detail": printable(answer["detail"], 300)}), kind not in _STUDENT_SIDE)
    n_rows = sum(len(a) for a in images.values())
    file = directory / f"predictions-{ident}.npy"
    if file.is_symlink() or file.stat().st_size > 4 * n_rows * CLASSES_LIMIT + 4_096:
        return Failure(Text(_REASONS["output"], {"detail": f"more than {CLASSES_LIMIT} numbers"}), our_fault=False)
    outputs = parse_npy(file.read_bytes(), file.name)
    if outputs.dtype != np.float32 or outputs.ndim != 2 or len(outputs) != n_rows or outputs.shape[1] < 2:
        raise ValueError(f"predictions are {outputs.dtype} {outputs.shape}, expected float32 ({n_rows}, n_classes)")
    classes = outputs.argmax(axis=1).astype(np.int16)
    ends = np.cumsum([len(a) for a in images.values()])[:-1]
    return dict(zip(images, np.split(classes, ends), strict=True))
