"""What a run left behind: the schema of the recorder's events, and one reader that trusts none of it."""

from grader.evidence.events import Array, CallbackFacts, LayerFacts
from grader.evidence.reader import Evaluation, Evidence, Fit, Model, Prediction, read_evidence

__all__ = [
    "Array",
    "CallbackFacts",
    "Evaluation",
    "Evidence",
    "Fit",
    "LayerFacts",
    "Model",
    "Prediction",
    "read_evidence",
]
