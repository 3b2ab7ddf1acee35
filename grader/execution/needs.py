"""What a notebook needs of the kernel before its first cell."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_MENTIONS = re.compile(r"\b(?:tensorflow|keras|tf_keras)\b")
_VARIABLES = r"(?:TF_|TFHUB_|KERAS_|XLA_|CUDA_|OMP_|MKL_|OPENBLAS_|NUMEXPR_|GRPC_|MPL|PYTHON)"
# Such variables are read when a library is imported.
_CONFIGURES = re.compile(
    rf"(?:environ\b[^\n]*['\"]{_VARIABLES}|\bputenv\s*\(\s*['\"]{_VARIABLES}|^\s*%(?:set_)?env\s+{_VARIABLES})",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Needs:
    """:ivar own_start: it sets what libraries read on import, so that nothing may be imported before it.

    :ivar preload: it uses Keras, which is then imported before the first cell, as in a kernel from a warm process.
    """

    own_start: bool
    preload: bool


def framework_needs(sources: Iterable[str]) -> Needs:
    """Judges by the text of the code cells."""
    text = "\n".join(sources)
    own_start = bool(_CONFIGURES.search(text))
    return Needs(own_start, preload=not own_start and bool(_MENTIONS.search(text)))
