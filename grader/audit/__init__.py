"""How well a rubric tells right from wrong: grades declared variants of the reference answer on small data."""

from grader.audit.operators import apply
from grader.audit.run import Audit, Finding, Verdict, judge, prepare
from grader.audit.variants import Variant, Variants, read_variants, variant_notebook

__all__ = [
    "Audit",
    "Finding",
    "Variant",
    "Variants",
    "Verdict",
    "apply",
    "judge",
    "prepare",
    "read_variants",
    "variant_notebook",
]
