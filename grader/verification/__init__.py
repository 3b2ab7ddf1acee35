"""Re-measures trained models in a clean process that has no student code, where no label ever is."""

from grader.verification.allowlist import RefusedConfigError, clean_config
from grader.verification.inputs import DatasetView, FirstImages, InputForm, input_form, unlabelled_inputs
from grader.verification.known import KnownPredictions
from grader.verification.process import Failure, Job, VerifierSettings, child_environment, predict_models
from grader.verification.verify import verify, write_verified

__all__ = [
    "DatasetView",
    "Failure",
    "FirstImages",
    "InputForm",
    "Job",
    "KnownPredictions",
    "RefusedConfigError",
    "VerifierSettings",
    "child_environment",
    "clean_config",
    "input_form",
    "predict_models",
    "unlabelled_inputs",
    "verify",
    "write_verified",
]
