"""``docs/security.md`` names how much is tried."""

import sys
from pathlib import Path

from attacks import catalogue
from attacks.forgeries import FORGERIES
from crash.killer import STAGES

from grader.sandbox.bpf import REFUSED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text("utf-8")


def test_the_page_on_security_counts_right():
    sys.path.insert(0, str(ROOT / "tests" / "reporting"))
    try:
        from payloads import PAYLOADS
    finally:
        sys.path.pop(0)
    single = [len(attacks) for attacks in (catalogue.READING, catalogue.WRITING, catalogue.NETWORK)]
    exhaustion = (ROOT / "tests" / "attacks" / "test_exhaustion.py").read_text("utf-8").count("\ndef test_")
    counted = "{} single cells ({} reading, {} writing, {} network)".format(sum(single), *single)
    for words in (
        counted,
        f"{exhaustion} ways to exhaust",
        f"{len(FORGERIES)} forgeries",
        f"{len(PAYLOADS)} texts",
        f"each of {len(STAGES)} stages",
        f"{len(REFUSED)} system calls refused",
    ):
        assert words in PAGE, words
