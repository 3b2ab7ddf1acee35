"""Coverage-guided fuzzing: ``python tests/fuzz/run.py TARGET [--seconds N]`` (all targets: ``make fuzz``).

Starts from ``tests/fuzz/corpus/TARGET``; what it finds new is kept in ``fuzz/TARGET`` and used the next time. An input
that breaks a promise is written to ``fuzz/TARGET-crash-…``; once mended it belongs into the corpus, which the ordinary
tests replay. Needs atheris (libFuzzer for Python, Linux on x86-64), which ``make fuzz`` installs.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import atheris

HERE = Path(__file__).resolve().parent
RSS_LIMIT_MIB = 3_000
SLOWEST_S = 20
LONGEST_BYTES = 32_768


def main() -> None:
    """Fuzzes one target; the process ends with libFuzzer's exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target")
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--out", type=Path, default=Path("fuzz"))
    wanted = parser.parse_args()
    with atheris.instrument_imports(include=["grader", "targets", "json", "zipfile"]):
        sys.path.insert(0, str(HERE))
        from targets import TARGETS
    found = wanted.out / wanted.target
    found.mkdir(parents=True, exist_ok=True)
    seeds = HERE / "corpus" / wanted.target
    options = {
        "max_total_time": wanted.seconds,
        "rss_limit_mb": RSS_LIMIT_MIB,
        "timeout": SLOWEST_S,
        "max_len": LONGEST_BYTES,
        "print_final_stats": 1,
        "artifact_prefix": f"{wanted.out}/{wanted.target}-",
    }
    dictionary = HERE / f"{wanted.target}.dict"
    if dictionary.is_file():
        options["dict"] = dictionary
    arguments = [f"-{name}={value}" for name, value in options.items()]
    atheris.Setup([sys.argv[0], *arguments, str(found), str(seeds)], TARGETS[wanted.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
