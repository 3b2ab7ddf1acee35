"""The sentences beside the filters, for whoever reads the written answer about them."""

import html
from dataclasses import replace

import msgspec
import numpy as np
import pytest

from grader.evidence.kernels import FilterFacts
from grader.messages import Catalogue
from grader.reporting import Audience, student_report
from grader.reporting.filterfacts import filter_sentences
from grader.reporting.words import Words
from grader.rubric import bundled_course_dir


@pytest.fixture
def words():
    return Words(Catalogue("en", bundled_course_dir() / "reports" / "locale"))


@pytest.fixture
def fit(evidence):
    """The first training; its convolution has a ReLU."""
    found = evidence.fits[0]
    conv, *rest = found.model.layers
    conv = msgspec.structs.replace(conv, config={**conv.config, "activation": "relu"})
    return replace(found, model=replace(found.model, layers=(conv, *rest)))


def said(words, evidence, fit, factory):
    return " ".join(filter_sentences(words, evidence, fit, factory.test_set()))


def test_trained_filters_changed_answer_and_are_more_than_noise(words, evidence, fit, factory):
    text = said(words, evidence, fit, factory)
    assert text.startswith("Training changed half of the 32 filters by 2")
    assert "more alike than in noise" in text
    assert "Each of them answers to some of 100 test images." in text


def test_filters_as_they_were_drawn_are_noise(words, evidence, fit, factory):
    text = said(words, evidence, replace(fit, weights_after=fit.weights_before), factory)
    assert text.startswith("Training changed none of the 32 filters.")
    assert "no more alike than in noise" in text


def test_dead_filters_are_counted(words, evidence, fit, factory):
    kernel = evidence.weights(fit.weights_after)[0].copy()
    kernel[..., :2] = 0
    kernel[..., 2] = -np.abs(kernel[..., 2])
    name = "fit-9-after.npz"
    np.savez(evidence.directory / "claims" / name, w000=kernel, w001=np.zeros(32, np.float32))
    text = said(words, evidence, replace(fit, weights_after=name), factory)
    assert "2 of them are next to zero." in text
    assert "3 of them answer to none of 100 test images." in text


def test_no_minus_stands_before_a_zero(words, evidence, fit, monkeypatch):
    facts = FilterFacts(np.array([0.5, 0.75]), 0, -0.004, -0.0, (-0.0049, -0.0))
    monkeypatch.setattr("grader.reporting.filterfacts.filter_facts", lambda *_: facts)
    sentence = filter_sentences(words, evidence, fit, None)[-1]
    assert "Moran's I is 0.00, before training it was 0.00 (noise: 0.00 to 0.00)" in sentence


def test_without_relu_or_images_only_the_weights_speak(words, evidence, factory):
    linear = evidence.fits[0]
    assert "test images" not in said(words, evidence, linear, factory)
    assert len(filter_sentences(words, evidence, linear, None)) == 2


def test_weights_that_are_missing_say_nothing(words, evidence, fit, factory):
    assert said(words, evidence, replace(fit, weights_before=None), factory) == ""
    assert said(words, evidence, replace(fit, weights_after="nowhere.npz"), factory) == ""


@pytest.mark.parametrize("shape", [None, (60, 784), (60, 14, 14, 1), (60, 28, 28, 3), (60,)])
def test_images_that_do_not_fit_the_layer_are_not_tried(words, evidence, fit, factory, shape):
    x = msgspec.structs.replace(fit.x, shape=shape)
    assert "test images" not in said(words, evidence, replace(fit, x=x), factory)


@pytest.mark.parametrize("language", ["en", "ja", "zh", "ru"])
def test_staff_read_them_and_students_do_not(factory, evidence, language):
    context = factory.context(language)
    sentence = filter_sentences(context.words, evidence, evidence.fits[0], None)[-1]
    for audience in Audience:
        page = student_report(factory.result(), evidence, context, audience=audience, images=factory.test_set())
        assert (html.escape(sentence, quote=False) in html.unescape(page)) is (audience is Audience.STAFF)
