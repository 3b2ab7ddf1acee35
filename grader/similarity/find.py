"""Compares a class: reads every submission that counts once, and finds the pairs that share what few others have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import combinations

import msgspec

from grader.pipeline.context import Context
from grader.pipeline.locks import locked
from grader.pipeline.similar import Found, Kind, Pair, Side, similar_file, similar_page
from grader.similarity.given import given_of
from grader.similarity.index import Index, Shared, usual_limit
from grader.similarity.page import pairs_page
from grader.similarity.work import Work, read_work
from grader.store import StoredResult

LEAST = {"code": 24.0, "words": 16.0, "outputs": 2.0, "weights": 0.1}
"""Weight of the rare fingerprints that a pair shares at least, where they are all that the smaller one has. If nobody
else has them: 48 characters of code without its names, 31 letters, 5 numbers, one training.
"""
SHARE = {"code": 0.4, "words": 0.4, "outputs": 0.3, "weights": 0.3}
"""And that share of the smaller one's own."""
WEIGHTS_LIMIT = 3
"""As many may train alike, and it still tells something."""
ENOUGH_FOR_WEIGHTS = 20
"""In a smaller class nobody can say whether the same training is how everybody trains."""
PAIRS_LIMIT = 300

_ORDER: tuple[Kind, ...] = ("file", "code", "words", "outputs", "weights")


@dataclass(frozen=True)
class Match:
    """One pair of places in the class, and what it shares by kind."""

    one: int
    other: int
    shared: dict[Kind, Shared]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The most telling first."""
        return tuple(kind for kind in _ORDER if kind in self.shared)

    @property
    def weight(self) -> float:
        """The strongest kind, and a little more for each further one."""
        shares = sorted((1.0 if k == "file" else min(1.0, s.share) for k, s in self.shared.items()), reverse=True)
        return shares[0] + 0.25 * sum(shares[1:]) + ("file" in self.shared)


class Compared:
    """A class with its fingerprints and the pairs that were found."""

    def __init__(self, submissions: Sequence[StoredResult], works: Sequence[Work]) -> None:
        self.submissions, self.works = submissions, works
        limit = usual_limit(len(works))
        self.indexes = {
            "code": Index([w.code for w in works], limit),
            "words": Index([w.words for w in works], limit),
            "outputs": Index([w.outputs for w in works], limit),
            "weights": Index([w.weights for w in works], WEIGHTS_LIMIT),
        }
        found: dict[tuple[int, int], dict[Kind, Shared]] = defaultdict(dict)
        for pair in self._same_files():
            found[pair]["file"] = Shared(1, 1.0, 1.0)
        for kind in ("code", "words", "outputs", "weights"):
            if kind == "weights" and len(works) < ENOUGH_FOR_WEIGHTS:
                continue
            for pair, shared in self.indexes[kind].pairs(LEAST[kind], SHARE[kind]).items():
                found[pair][kind] = shared
        matches = (Match(one, other, shared) for (one, other), shared in found.items())
        self.matches = sorted(matches, key=lambda m: (-m.weight, m.one, m.other))[:PAIRS_LIMIT]

    def _same_files(self) -> Iterator[tuple[int, int]]:
        """Pairs of different students with the very same file."""
        by_digest: dict[str, list[int]] = defaultdict(list)
        for place, stored in enumerate(self.submissions):
            by_digest[stored.result.digest].append(place)
        for places in by_digest.values():
            yield from combinations(places[:50], 2)

    def side(self, place: int) -> Side:
        """How a pair names a submission."""
        stored = self.submissions[place]
        who = stored.result.student
        label = " ".join(filter(None, (who.id, who.name))) or stored.result.source.rsplit("/", 1)[-1]
        return Side(stored.result.digest, stored.student_key, label)


def compare_class(context: Context, tell: Callable[[int, int], None] = lambda _done, _all: None) -> Compared:
    """Compares all submissions that count, keeps the pairs, and writes the page that shows them.

    :param tell: gets how many submissions of how many are read.
    :raises CourseError: a template cannot be read.
    """
    submissions = context.gradebook.counting(context.assignment.id)
    given = given_of(context.assignment, context.rubric)
    works = []
    for n, stored in enumerate(submissions, 1):
        file = context.workspace / "submissions" / stored.result.digest.removeprefix("sha256:")
        name = stored.result.evidence
        works.append(read_work(file, context.workspace / "evidence" / name if name else None, given))
        tell(n, len(submissions))
    compared = Compared(submissions, works)
    _keep(context, compared)
    return compared


def _keep(context: Context, compared: Compared) -> None:
    pairs = tuple(
        Pair((compared.side(m.one), compared.side(m.other)), m.kinds, _code_share(m), round(m.weight, 4))
        for m in compared.matches
    )
    found = Found(datetime.now(UTC).isoformat(timespec="seconds"), len(compared.works), pairs)
    ident = context.assignment.id
    page = pairs_page(context, compared, found)
    with locked(context.workspace, "similar"):
        for path, content in (
            (similar_file(context.workspace, ident), msgspec.json.format(msgspec.json.encode(found), indent=1)),
            (similar_page(context.workspace, ident), page.encode("utf-8", "replace")),
        ):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            part = path.with_name(path.name + ".part")
            part.write_bytes(content)
            part.replace(path)


def _code_share(match: Match) -> float:
    return round(match.shared["code"].share, 4) if "code" in match.shared else 0.0
