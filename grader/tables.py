"""CSV files from elsewhere: whatever encoding and delimiter they come in; and cells that a spreadsheet may have."""

from __future__ import annotations

import csv
import io
import math
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from grader.errors import UsageError
from grader.plain import clean

LIMIT_BYTES = 32 * 2**20
# Full-width forms too: East Asian spreadsheets read them as the plain ones.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

Cell = str | int | float | None


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV file. :ivar header: its first line that is not empty. :ivar rows: the others, empty ones left out."""

    header: list[str]
    rows: list[list[str]]
    encoding: str
    delimiter: str

    def column(self, *names: str) -> int | None:
        """Place of the first column whose header is one of ``names``; how it is written makes no difference."""
        wanted = {header_key(name) for name in names}
        return next((i for i, cell in enumerate(self.header) if header_key(cell) in wanted), None)


def decoded(content: bytes) -> tuple[str, str]:
    """The text and its encoding: UTF-16, UTF-8, else Shift_JIS. :raises UnicodeDecodeError: it is none of them."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16"), "utf-16"
    encoding = "utf-8-sig" if content.startswith(b"\xef\xbb\xbf") else "utf-8"
    try:
        return content.decode(encoding), encoding
    except UnicodeDecodeError:
        return content.decode("cp932"), "cp932"


def delimiter_of(text: str) -> str:
    """Comma, semicolon or tab: whichever the first line has most of."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    return max(",;\t", key=first.count)


def read_table(path: Path, what: str) -> Table:
    """The CSV file ``path``.

    :param what: it is, for the error: ``roster``.
    :raises UsageError: it cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UsageError(f"{what} {path} is larger than {LIMIT_BYTES} bytes: expected a CSV file")
        text, encoding = decoded(path.read_bytes())
        delimiter = delimiter_of(text)
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        rows = [row for row in reader if any(map(str.strip, row))]
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise UsageError(f"{what} {path} cannot be read: {error}; expected a CSV file") from error
    return Table(rows[0] if rows else [], rows[1:], encoding, delimiter)


def header_key(cell: str) -> str:
    """A header as it is compared: letters and digits, lower case; what stands in brackets left out."""
    return re.sub(r"\(.*?\)|[\W_]", "", unicodedata.normalize("NFKC", cell).casefold())


def csv_row(cells: list[str], delimiter: str = ",") -> str:
    """One line of a CSV file, without its end."""
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def safe(cell: Cell) -> str | int | float:
    """``cell`` as a spreadsheet may have it: no formula (OWASP, "CSV Injection"), no control character, direction marks
    spelled out, and empty where nothing is known.
    """
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if not isinstance(cell, str):
        return cell
    text = clean(cell)
    # Blanks before it do not stop every spreadsheet from seeing a formula.
    return f"'{text}" if any(t.startswith(_FORMULA_STARTS) for t in (text, text.lstrip())) else text
