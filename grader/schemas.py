"""Imports jsonschema, which nbformat needs, without the grammar of internationalised web addresses.

Where ``rfc3987_syntax`` is installed, jsonschema imports it, and it builds 38 parsers: 0.8 s of processor time in every
process that reads a notebook. The schemas of notebooks name no such format.
"""

from __future__ import annotations

import importlib
import sys

_UNUSED = "rfc3987_syntax"


def import_jsonschema() -> None:
    """Imports it, unless somebody has; afterwards whoever asks for the grammar gets it as usual."""
    if "jsonschema" in sys.modules or _UNUSED in sys.modules:
        return
    sys.modules[_UNUSED] = None  # type: ignore[assignment]  # what makes an import of it fail
    try:
        importlib.import_module("jsonschema")
    finally:
        del sys.modules[_UNUSED]


import_jsonschema()
