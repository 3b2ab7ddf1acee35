"""What every row of a result file must keep, whatever was graded."""

import json
import math
from pathlib import Path

from jsonschema import Draft202012Validator

SCHEMA = json.loads((Path(__file__).parent / "cli" / "result.schema.json").read_text("utf-8"))
VALIDATOR = Draft202012Validator(SCHEMA)


def parse(text):
    """Rows of a result file; NaN and infinity, which Python would read, are refused."""

    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


def check_rows(rows):
    """:raises AssertionError: a row breaks the contract; says where."""
    errors = [f"{'/'.join(map(str, e.absolute_path))}: {e.message}" for e in VALIDATOR.iter_errors(rows)]
    assert not errors, errors
    for row in rows:
        _check_sums(row)


def _check_sums(row):
    criteria = row["criteria"]
    known = [c["points"] for c in criteria if c["points"] is not None]
    still_open = [c["max_points"] for c in criteria if c["points"] is None]
    assert math.isclose(sum(c["max_points"] for c in criteria), row["max_score"])
    assert math.isclose(sum(still_open), row["score_pending"])
    assert all(p <= c["max_points"] for c in criteria if (p := c["points"]) is not None)
    assert len({c["id"] for c in criteria}) == len(criteria)
    for line in criteria:
        waits = line["outcome"] in ("errored", "needs_review")
        assert line["points"] is None or not waits, line
    if row["status"] == "not_gradable":
        assert row["score"] is None
        assert row["reason"].strip()
        return
    assert math.isclose(sum(known), row["score"])
    assert (row["status"] == "graded") == (not still_open)
