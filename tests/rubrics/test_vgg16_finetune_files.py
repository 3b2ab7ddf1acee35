"""Files that VGG16 fine-tuning writes and reads, and data that is not what it seems."""

import numpy as np
import pytest

FIRST = [np.full(2, i, np.float32) for i in range(16)]
"""Weights that a training begins with."""


@pytest.fixture
def attempt(vgg_attempt):
    return vgg_attempt


class TestSaved:
    def said(self, attempt):
        return attempt.check().said("saved")

    @pytest.fixture
    def trained(self, attempt):
        attempt.compiled()
        attempt.trained()
        return attempt

    @pytest.mark.parametrize(
        ("file", "more", "said"),
        [
            ("./CIFAR-10.h5", {}, "passed passed"),
            ("model.keras", {}, "passed passed"),
            ("exported/", {"model": "model-9"}, "passed passed"),
            ("m.weights.h5", {}, "partial weights-only"),
            ("m.h5", {"whole": False}, "partial weights-only"),
        ],
    )
    def test_the_whole_model_is_wanted(self, trained, file, more, said):
        trained.saved(file, **more)
        assert self.said(trained) == said

    def test_before_the_training_is_too_early(self, attempt):
        attempt.compiled()
        attempt.saved()
        attempt.trained()
        assert self.said(attempt) == "partial too-early"

    def test_other_weights_than_the_trained_ones_are_told(self, trained):
        trained.saved(weights=[w + 1 for w in trained.final])
        assert self.said(trained) == "partial other-weights"

    def test_a_checkpoint_of_this_run_that_was_loaded_again_is_a_result(self, trained):
        kept = [w + 2 for w in trained.final]
        trained.loaded(kept, own=True)
        trained.saved(weights=kept)
        assert self.said(trained) == "passed passed"

    def test_what_a_training_began_with_is_none(self, attempt):
        first = [np.full(2, i, np.float32) for i in range(16)]
        attempt.compiled()
        attempt.trained(initial=first)
        attempt.loaded(first, own=True)
        attempt.saved(weights=first)
        assert self.said(attempt) == "partial other-weights"

    def test_an_untrained_model_in_a_file_is_nothing(self, attempt):
        attempt.compiled()
        attempt.trained(moved=[False] * 16)
        attempt.saved()
        assert self.said(attempt) == "failed untrained"

    @pytest.mark.parametrize(("weights_only", "said"), [(False, "passed checkpoint"), (True, "partial weights-only")])
    def test_a_checkpoint_callback_saves_too(self, attempt, weights_only, said):
        checkpoint = {"class_name": "ModelCheckpoint", "builtin": True, "config": {"save_weights_only": weights_only}}
        attempt.compiled()
        attempt.trained(callbacks=[checkpoint])
        assert self.said(attempt) == said


class TestLoaded:
    """Weights that came from a file."""

    def test_a_training_that_began_with_a_file_from_elsewhere_is_a_quarter(self, attempt):
        attempt.compiled()
        attempt.loaded(FIRST)
        attempt.trained(initial=FIRST)
        result = attempt.check()["trained"]
        assert (result.message.id, result.credit) == ("trained/loaded", 0.25)
        assert result.message.params["file"] == "old.weights.h5"

    def test_loading_instead_of_training_is_named(self, attempt):
        attempt.compiled()
        attempt.trained(initial=FIRST, moved=[False] * 16)
        attempt.loaded([w + 1 for w in FIRST])
        assert attempt.check().said("trained") == "failed loaded-only"

    def test_so_it_is_where_fit_was_never_called(self, attempt):
        attempt.compiled()
        attempt.code("model.load_weights('old.weights.h5')")
        assert attempt.check()["trained"].outcome == "blocked"
        attempt.loaded(FIRST)
        assert attempt.check().said("trained") == "failed loaded-only"

    @pytest.mark.parametrize("more", [{"own": True}, {"application": "vgg16"}, {"changed": False}])
    def test_own_files_and_published_weights_are_fine(self, attempt, more):
        attempt.compiled()
        attempt.loaded(FIRST, **more)
        attempt.trained(initial=FIRST)
        assert attempt.check().said("trained") == "passed passed"

    def test_a_base_that_does_not_begin_with_the_published_weights_is_random(self, attempt):
        attempt.pretrained()
        attempt.compiled()
        attempt.loaded(FIRST[:13], application="vgg16")
        attempt.trained(initial=[w + 1 for w in FIRST])
        assert attempt.check().said("base") == "partial random-weights"
        attempt.trained(initial=FIRST)
        assert attempt.check().said("base") == "passed passed"


def test_labels_of_other_images_are_told_by_the_images(attempt):
    attempt.compiled()
    labels = np.arange(len(attempt.train)) % 10
    attempt.trained(labels=labels)
    assert attempt.check().said("labels") == "passed passed"
    attempt.trained(labels=(labels + 1) % 10)
    attempt.events = [e for e in attempt.events if e.get("fit") != "fit-1"]
    result = attempt.check()["labels"]
    assert (result.message.id, result.measured["share"]) == ("labels/of-other-images", 1.0)


@pytest.mark.parametrize(
    ("high", "said"), [(1.0, "passed passed"), (0.004, "partial pixels"), (255.0, "passed passed")]
)
def test_pixels_divided_twice_are_told(attempt, high, said):
    attempt.compiled()
    attempt.trained(high=high)
    assert attempt.check().said("trained") == said
