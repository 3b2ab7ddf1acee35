"""Rebuilds the cells of a version 4 notebook one by one, so that the result is valid nbformat 4.5."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from itertools import groupby
from typing import Any

from grader.model import Text

Json = dict[str, Any]

_CELL_ID = re.compile(r"[a-zA-Z0-9-_]{1,64}")
_JSON_MIME = re.compile(r"application/(.*\+)?json")
_FLAGS = ("collapsed", "scrolled")
_CELL_KEYS = frozenset({"id", "cell_type", "metadata", "source", "attachments", "outputs", "execution_count"})

DAMAGED_METADATA = Text("Damaged metadata of cells were left out.")
_COUNTED = {
    "no cell": "Entries that are no cells were left out: {count}.",
    "unknown type": "Cells of an unknown type were kept as plain text: {count}.",
    "no text": "Cells without a readable text: {count}.",
    "output": "Damaged outputs were left out: {count}.",
}


def repaired_cells(cells: Any, wants_ids: bool, notes: list[Text]) -> list[Json]:
    """Valid 4.5 cells in the same order; what was changed is counted in ``notes``.

    :param cells: whatever stood under ``cells``.
    :param wants_ids: whether the notebook's own version has cell ids, so that a missing one is worth a note.
    """
    counts: Counter[str] = Counter()
    entries = cells if isinstance(cells, list) else []
    repaired = [_cell(entry, counts) for entry in entries if isinstance(entry, dict)]
    counts["no cell"] += len(entries) - len(repaired)
    if counts.pop("metadata", 0):
        notes.append(DAMAGED_METADATA)
    taken: set[str] = set()
    renamed = 0
    for index, cell in enumerate(repaired):
        own = cell["id"]
        if not isinstance(own, str) or not _CELL_ID.fullmatch(own) or own in taken:
            renamed += own is not None or wants_ids
            cell["id"] = _new_id(index, cell["source"], taken)
        taken.add(cell["id"])
    notes.extend(Text(_COUNTED[kind], {"count": count}) for kind, count in counts.items() if count)
    if renamed:
        notes.append(Text("Missing or repeated cell ids were made new."))
    return repaired


def repaired_metadata(metadata: Any) -> Json:
    """The notebook's metadata with a kernel specification; entries of a wrong type are left out."""
    fixed: Json = dict(metadata) if isinstance(metadata, dict) else {}
    kernel = fixed.get("kernelspec")
    kernel = dict(kernel) if isinstance(kernel, dict) else {}
    name = kernel.get("name")
    kernel["name"] = name if isinstance(name, str) and name else "python3"
    display = kernel.get("display_name")
    kernel["display_name"] = display if isinstance(display, str) else "Python 3"
    fixed["kernelspec"] = kernel
    info = fixed.pop("language_info", None)
    info = dict(info) if isinstance(info, dict) else {}
    wanted = {k: v for k, v in info.items() if isinstance(v, str) or (k == "codemirror_mode" and isinstance(v, dict))}
    fixed["language_info"] = {**wanted, "name": wanted.get("name", "python")}
    for key, kind in (("title", str), ("authors", list), ("orig_nbformat", dict)):
        if key in fixed and not isinstance(fixed[key], kind):
            del fixed[key]
    return fixed


def joined(value: Any) -> str | None:
    """A text given as a string or as a list of strings; ``None`` when it is neither."""
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return None


def _cell(entry: Json, counts: Counter[str]) -> Json:
    kind = entry.get("cell_type")
    source = joined(entry.get("source"))
    if source is None:
        counts["no text"] += "source" in entry or "input" in entry
        source = joined(entry.get("input")) or ""
    if kind == "heading":
        level = entry.get("level")
        source = "#" * (level if isinstance(level, int) and 1 <= level <= 6 else 1) + " " + source
        kind = "markdown"
    elif kind not in ("code", "markdown", "raw"):
        counts["unknown type"] += 1
        kind = "raw"
    metadata = entry.get("metadata", {})
    cell: Json = {"cell_type": kind, "id": entry.get("id"), "metadata": _metadata(metadata, kind)}
    counts["metadata"] += cell["metadata"] != metadata
    cell["source"] = source
    if kind == "code":
        cell["execution_count"] = _count(entry.get("execution_count"))
        outputs = entry.get("outputs")
        listed = outputs if isinstance(outputs, list) else []
        kept = [_output(output) for output in listed]
        valid = [output for output in kept if output is not None]
        counts["output"] += len(listed) - len(valid)
        cell["outputs"] = _merged(valid)
    elif isinstance(entry.get("attachments"), dict):
        bundles = {name: _bundle(bundle) for name, bundle in entry["attachments"].items()}
        cell["attachments"] = {name: bundle for name, bundle in bundles.items() if bundle is not None}
    return cell


def _metadata(metadata: Any, kind: str) -> Json:
    """Cell metadata without the entries whose type the notebook format forbids."""
    fixed: Json = dict(metadata) if isinstance(metadata, dict) else {}
    tags = fixed.pop("tags", None)
    if isinstance(tags, list):
        valid = [tag for tag in tags if isinstance(tag, str) and re.fullmatch(r"[^,\n]+", tag)]
        fixed["tags"] = list(dict.fromkeys(valid))
    name = fixed.get("name")
    if "name" in fixed and not (isinstance(name, str) and re.fullmatch(r".+", name)):
        del fixed["name"]
    for key in ("jupyter", "execution"):
        if key in fixed and not isinstance(fixed[key], dict):
            del fixed[key]
    if "execution" in fixed:
        fixed["execution"] = {k: v for k, v in fixed["execution"].items() if isinstance(v, str)}
    if "format" in fixed and kind == "raw" and not isinstance(fixed["format"], str):
        del fixed["format"]
    for key in _FLAGS:
        if key in fixed and not isinstance(fixed[key], bool) and (key, fixed[key]) != ("scrolled", "auto"):
            del fixed[key]
    return fixed


def _output(output: Any) -> Json | None:
    """A valid output, or ``None`` when it cannot be made one."""
    if not isinstance(output, dict):
        return None
    kind = output.get("output_type")
    if kind == "stream":
        text = joined(output.get("text"))
        name = output.get("name")
        return (
            None
            if text is None
            else {"output_type": kind, "name": name if name == "stderr" else "stdout", "text": text}
        )
    if kind == "error":
        trace = output.get("traceback")
        lines = [line for line in trace if isinstance(line, str)] if isinstance(trace, list) else []
        named = {key: value if isinstance(value := output.get(key), str) else "" for key in ("ename", "evalue")}
        return {"output_type": kind, **named, "traceback": lines}
    if kind not in ("display_data", "execute_result"):
        return None
    data = _bundle(output.get("data"))
    if data is None:
        return None
    metadata = output.get("metadata")
    fixed: Json = {"output_type": kind, "data": data, "metadata": metadata if isinstance(metadata, dict) else {}}
    if kind == "execute_result":
        fixed["execution_count"] = _count(output.get("execution_count"))
    return fixed


def _merged(outputs: list[Json]) -> list[Json]:
    """Neighbouring pieces of one stream as one: a progress bar leaves tens of thousands of them."""
    merged: list[Json] = []
    for (kind, name), group in groupby(outputs, key=lambda output: (output["output_type"], output.get("name"))):
        if kind == "stream":
            merged.append({"output_type": kind, "name": name, "text": "".join(piece["text"] for piece in group)})
        else:
            merged.extend(group)
    return merged


def _bundle(bundle: Any) -> Json | None:
    """A bundle of representations by media type; those of a wrong type are left out."""
    if not isinstance(bundle, dict):
        return None
    texts = {mime: value if _JSON_MIME.fullmatch(mime) else joined(value) for mime, value in bundle.items()}
    return {mime: value for mime, value in texts.items() if value is not None or _JSON_MIME.fullmatch(mime)}


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _new_id(index: int, source: str, taken: set[str]) -> str:
    """The same notebook gets the same ids each time."""
    base = hashlib.sha256(f"{index}:{source}".encode(errors="replace")).hexdigest()
    drawn = (base[start : start + 8] for start in range(56))
    # Whoever knows the sum can take all of its pieces for other cells.
    return next((ident for ident in drawn if ident not in taken), None) or _new_id(index, base, taken)
