from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.errors import StoreError
from grader.model import Score, Student, Text
from grader.store import student_key
from grader.store.records import decode, encode

DIGEST = "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("student", "key"),
    [
        (Student("21Ｘ４００１ ", "n", "e@x"), "id:21x4001"),
        (Student(None, "n", "E@X.org"), "email:e@x.org"),
        (Student("  ", "ｶﾅ", ""), "name:カナ"),
        (Student(), DIGEST),
    ],
)
def test_a_student_is_known_by_number_else_address_else_name_else_not_at_all(student, key):
    assert student_key(student, DIGEST) == key


def test_a_number_and_a_name_that_read_alike_are_not_the_same_student():
    assert student_key(Student(id="abc"), DIGEST) != student_key(Student(name="abc"), DIGEST)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)
texts = st.recursive(
    st.builds(Text, st.text(), st.dictionaries(st.text(), scalars)),
    lambda inner: st.builds(Text, st.text(), st.dictionaries(st.text(), scalars | inner)),
    max_leaves=5,
)


@given(texts)
def test_a_text_with_texts_in_it_survives_being_kept(text):
    assert decode(encode(text), Text) == text


def test_values_of_numpy_and_paths_become_plain_data():
    text = Text("x", {"a": np.float32(0.5), "b": np.array([1, 2]), "c": np.int64(3), "d": np.float64("nan")})
    assert decode(encode(text), Text).params == {"a": 0.5, "b": [1, 2], "c": 3, "d": None}


def test_what_cannot_be_json_is_refused():
    loop: list = []
    loop.append(loop)
    with pytest.raises(StoreError, match="cannot be kept"):
        encode(Text("x", {"loop": loop}))


@pytest.mark.parametrize("damaged", ["{", '{"status": "great"}', "[]"])
def test_a_damaged_record_is_reported_as_such(damaged):
    with pytest.raises(StoreError, match="backup"):
        decode(damaged, Score)
