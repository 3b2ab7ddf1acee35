"""Folds what a terminal would have overwritten: progress bars, backspaces, colours."""

from __future__ import annotations

import re

# CSI sequences, OSC sequences (closed by BEL or ST), other two-character escapes, controls that move the cursor.
_TOKEN = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|[\r\n\b]|[\x00-\x08\x0b-\x1f\x7f]"
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?)?\Z")
_LINE_LIMIT_CHARS = 20_000


class Terminal:
    """Takes text as it comes and keeps what would be on the screen.

    :param limit_chars: lines past it are counted, not kept.
    """

    def __init__(self, limit_chars: int) -> None:
        self._limit = limit_chars
        self._kept = 0
        self._lines: list[str] = []
        self._line = ""
        self._column = 0
        self._pending = ""
        self.dropped_chars = 0

    def feed(self, text: str) -> None:
        """Writes ``text``; an escape sequence may be split over two calls."""
        text = self._pending + text
        self._pending = ""
        unfinished = _UNFINISHED.search(text, max(0, len(text) - 64))
        if unfinished:
            text, self._pending = text[: unfinished.start()], unfinished.group()
        position = 0
        for token in _TOKEN.finditer(text):
            self._write(text[position : token.start()])
            self._control(token.group())
            position = token.end()
        self._write(text[position:])

    def _write(self, text: str) -> None:
        if not text:
            return
        room = max(0, _LINE_LIMIT_CHARS - self._column)
        self.dropped_chars += max(0, len(text) - room)
        text = text[:room]
        line = self._line.ljust(self._column)
        self._line = line[: self._column] + text + line[self._column + len(text) :]
        self._column += len(text)

    def _control(self, token: str) -> None:
        if token == "\n":
            self._end_line()
        elif token == "\r":
            self._column = 0
        elif token == "\b":
            self._column = max(0, self._column - 1)
        elif token.startswith("\x1b[") and token.endswith("K"):
            kind = token[2:-1] or "0"
            if kind == "0":
                self._line = self._line[: self._column]
            elif kind == "2":
                self._line = ""
        elif token.startswith("\x1b[") and token.endswith("A"):
            count = token[2:-1]
            self._up(int(count[:4]) if count.isdigit() else 1)  # int() refuses thousands of digits

    def _up(self, count: int) -> None:
        """Cursor up, as nested progress bars do: lines below it are drawn again, so they are let go."""
        for _ in range(min(count, 50)):
            if not self._lines:
                break
            self._line = self._lines.pop()
            self._kept -= len(self._line) + 1

    def _end_line(self) -> None:
        line = self._line.rstrip(" ") if self._line.endswith("  ") else self._line
        if self._kept + len(line) + 1 > self._limit:
            self.dropped_chars += len(line) + 1
        else:
            self._lines.append(line)
            self._kept += len(line) + 1
        self._line, self._column = "", 0

    def text(self) -> str:
        """What is on the screen, with a last line on how much was left out."""
        room = max(0, self._limit - self._kept)
        last = self._line[:room]
        dropped = self.dropped_chars + len(self._line) - len(last)
        shown = "".join(line + "\n" for line in self._lines) + last
        return shown if not dropped else f"{shown.rstrip()}\n[… {dropped} characters of output left out]\n"


def fold(text: str, limit_chars: int = 10**6) -> str:
    """``text`` as a terminal would show it in the end."""
    terminal = Terminal(limit_chars)
    terminal.feed(text)
    return terminal.text()
