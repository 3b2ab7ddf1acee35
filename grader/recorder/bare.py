"""Shows a model without what only training reads: initializers, regularizers, constraints, and what ``compile`` took.

Students write classes of their own for these, often without ``get_config``. Keras then refuses to describe the whole
model, although all of its layers are Keras' own and could be rebuilt for predicting.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

_PARTS = ("_initializer", "_regularizer", "_constraint")
_COMPILED = "get_compile_config"


@contextlib.contextmanager
def bared(model: Any) -> Iterator[None]:
    """Within it ``model`` and all layers inside have none of these parts; afterwards they are as they were."""
    lent: list[tuple[dict[str, Any], str, Any]] = []
    try:
        for layer in model._flatten_layers():
            own = vars(layer)  # not by setattr: Keras watches it, and some of these have a property in front
            for name in [n for n, part in own.items() if n.endswith(_PARTS) and part is not None]:
                lent.append((own, name, own[name]))
                own[name] = None
            if hasattr(layer, _COMPILED) and _COMPILED not in own:
                lent.append((own, _COMPILED, None))
                own[_COMPILED] = _nothing
        yield
    finally:
        for own, name, part in lent:
            if name == _COMPILED:
                del own[name]
            else:
                own[name] = part


def _nothing() -> None:
    """Stands in for ``get_compile_config``."""
