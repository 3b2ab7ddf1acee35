"""From the bytes of a handed-in file to a JSON value, or to the reason why it is none."""

from __future__ import annotations

import codecs
import json
import math
import re
from functools import partial
from typing import Any

from grader.model import Text

NOTEBOOK_LIMIT_BYTES = 100 * 2**20
DEPTH_LIMIT = 100
VALUES_LIMIT = 6_000_000

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_KINDS = (
    (b"%PDF", "PDF"),
    (b"\x89PNG", "PNG"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"PK\x03\x04", "ZIP"),
    (b"PK\x05\x06", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"\x89HDF", "HDF5"),
    (b"Rar!", "RAR"),
    (b"7z\xbc\xaf", "7z"),
    (b"\xd0\xcf\x11\xe0", "Microsoft Office"),
)
_CONFLICT = re.compile(r"^(<{7} |>{7} |={7}$)", re.MULTILINE)
_HTML = re.compile(r"\s*(<!doctype html|<html|<head|<body|<\?xml|<div)", re.IGNORECASE)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Unreadable(Exception):
    """No notebook can be had from this file; no fault of the program, so not in its error tree.

    :ivar text: why, in words a student understands; it becomes ``Attempt.unreadable``.
    """

    def __init__(self, text: Text) -> None:
        super().__init__(text.id)
        self.text = text


def decode_json(content: bytes, notes: list[Text]) -> Any:
    """The JSON value in ``content``; what had to be overlooked is added to ``notes``.

    :raises Unreadable: empty, another kind of file, cut off, or no JSON.
    """
    if len(content) > NOTEBOOK_LIMIT_BYTES:
        raise too_large(len(content))
    if not content.strip(b" \t\r\n\0"):
        raise Unreadable(Text("The file is empty. Save the notebook again and hand it in once more."))
    for magic, kind in _KINDS:
        if content.startswith(magic):
            raise Unreadable(
                Text("This is a {kind} file, not a notebook. Please hand in the .ipynb file.", {"kind": kind})
            )
    text = _text(content, notes)
    if sum(map(text.count, ",[{")) > VALUES_LIMIT:  # each may cost 30 times its size in memory
        raise _too_many_values()
    value = _json(text, notes)
    if _depth_exceeds(value, DEPTH_LIMIT):
        raise _too_deep()
    return _without_surrogates(value, notes) if _may_have_surrogates(text) else value


def too_large(n_bytes: int) -> Unreadable:
    """Why a file of ``n_bytes`` is not read."""
    return Unreadable(
        Text(
            "The file has {size_mib:.0f} MiB; more than {limit_mib} MiB is not read. "
            "Clear the outputs, save, and hand it in again.",
            {"size_mib": n_bytes / 2**20, "limit_mib": NOTEBOOK_LIMIT_BYTES // 2**20},
        )
    )


def _text(content: bytes, notes: list[Text]) -> str:
    wide = {b"{\0": "utf-16-le", b"\0{": "utf-16-be"}.get(content[:2], "utf-8")
    encoding = next((encoding for bom, encoding in _BOMS if content.startswith(bom)), wide)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return _legacy_text(content, notes)
    if encoding not in ("utf-8", "utf-8-sig"):
        notes.append(Text("The file was stored as {encoding}, not UTF-8.", {"encoding": encoding.upper()}))
    return text


def _legacy_text(content: bytes, notes: list[Text]) -> str:
    if b"\0" in content[:4096]:
        raise Unreadable(Text("This is a binary file, not a notebook. Please hand in the .ipynb file."))
    for encoding in ("euc_jp", "cp932"):  # Shift_JIS is hardly ever valid EUC; the reverse is common
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        notes.append(Text("The file was stored as {encoding}, not UTF-8.", {"encoding": encoding.upper()}))
        return text
    notes.append(Text("Some characters of the file were damaged and were replaced."))
    return content.decode("utf-8", errors="replace")


def _json(text: str, notes: list[Text]) -> Any:
    """:raises Unreadable: with the most telling reason."""
    text = text.strip(" \t\r\n\0\ufeff")
    if _HTML.match(text):
        raise Unreadable(
            Text("This is a web page, not a notebook. Download it as .ipynb (menu File) and hand in that.")
        )
    if not text.startswith(("{", "[")):
        if _CONFLICT.search(text):
            raise _merge_conflict()
        raise Unreadable(Text("This is not a notebook file. Please hand in the .ipynb file."))
    try:
        return _LOADS(text)
    except RecursionError:
        raise _too_deep() from None
    except ValueError:
        pass
    try:
        value = _LOADS(text, strict=False)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise _bad_json(text, error) from None
    notes.append(Text("The file has raw line breaks or control characters inside its texts; they were accepted."))
    return value


def _no_number(_: str) -> None:
    """NaN and Infinity are no JSON; nothing in a notebook needs them."""


def _real(digits: str) -> float | None:
    """``1e999`` reads as infinity: see :func:`_no_number`."""
    return value if math.isfinite(value := float(digits)) else None


def _whole(digits: str) -> int | float | None:
    """Whole numbers of any length are JSON; past 64 bit they are worth no more than a float."""
    return int(digits) if len(digits) < 19 else _real(digits)


_LOADS = partial(json.loads, parse_constant=_no_number, parse_float=_real, parse_int=_whole)


def _bad_json(text: str, error: ValueError) -> Unreadable:
    if _CONFLICT.search(text):
        return _merge_conflict()
    if not isinstance(error, json.JSONDecodeError):
        return Unreadable(Text("The file is damaged and cannot be read as a notebook. Save it again and hand it in."))
    if error.pos >= len(text) - 1 or error.msg.startswith("Unterminated string"):
        return Unreadable(
            Text(
                "The file is cut off: its end is missing (it stops in line {line}). "
                "Open the notebook where you made it, save it, and hand it in again.",
                {"line": text.count("\n") + 1},
            )
        )
    return Unreadable(
        Text(
            "The file is damaged near line {line}, column {column} and cannot be read as a notebook. "
            "Open the notebook where you made it, save it, and hand it in again.",
            {"line": error.lineno, "column": error.colno},
        )
    )


def _too_deep() -> Unreadable:
    return Unreadable(Text("The file is nested more deeply than any notebook; it cannot be read."))


def _too_many_values() -> Unreadable:
    return Unreadable(
        Text(
            "The file holds more than {limit} values, far more than any notebook. "
            "Clear the outputs, save, and hand it in again.",
            {"limit": VALUES_LIMIT},
        )
    )


def _merge_conflict() -> Unreadable:
    return Unreadable(
        Text(
            "The file holds the marks of an unresolved Git merge conflict (<<<<<<<, =======, >>>>>>>). "
            "Resolve the conflict and hand it in again."
        )
    )


def _depth_exceeds(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        parents = [node for node in level if isinstance(node, (dict, list))]
        level = [child for node in parents for child in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return False
    return True


def _may_have_surrogates(text: str) -> bool:
    return "\\ud" in text or "\\uD" in text or _LONE_SURROGATE.search(text) is not None


def _without_surrogates(value: Any, notes: list[Text]) -> Any:
    """Half a surrogate pair cannot be written to any file; it becomes U+FFFD."""
    found = False

    def clean(node: Any) -> Any:
        nonlocal found
        if isinstance(node, str):
            cleaned = _LONE_SURROGATE.sub("�", node)
            found = found or cleaned != node
            return cleaned
        if isinstance(node, list):
            return [clean(child) for child in node]
        if isinstance(node, dict):
            return {clean(key): clean(child) for key, child in node.items()}
        return node

    cleaned = clean(value)
    if found:
        notes.append(Text("Some characters of the file were damaged and were replaced."))
    return cleaned
