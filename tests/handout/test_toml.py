"""TOML that is written is TOML that reads back."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.handout.toml import dumps

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
SCALAR = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), TEXT)
VALUE = st.recursive(
    SCALAR | st.lists(SCALAR, max_size=3),
    lambda inner: (
        st.dictionaries(TEXT, inner, max_size=3)
        | st.lists(st.dictionaries(TEXT, inner, max_size=3), min_size=1, max_size=3)
    ),
    max_leaves=12,
)


@given(st.dictionaries(TEXT, VALUE, max_size=4))
def test_a_table_reads_back_as_it_was(table):
    assert tomllib.loads(dumps(table)) == table


def test_what_toml_has_no_value_for_is_an_error():
    with pytest.raises(TypeError, match="NoneType"):
        dumps({"a": None})
