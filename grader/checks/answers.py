"""Finds the written answers where students really put them, and measures what is theirs.

A task's place begins where its heading (``B2-1-1``) stands, in markdown or in a comment, and ends at another task's
heading. A paragraph in a place answers that task. Where several headings stand in one cell, what follows that cell may
answer any of them, and each paragraph's words decide; a task without an answer in its place gets the paragraphs from
elsewhere whose words speak of it. What was handed out (:class:`grader.checks.prose.GivenText`) is taken off first.

Next to nothing is found only where nothing may be an answer: a text under another task's heading that may answer this
one, too, counts as *shared*, and pictures are named. A person looks at both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from grader.checks.facts import NotebookCell
from grader.checks.pieces import Piece, Where, pieces_of
from grader.checks.prose import GivenText, is_cjk, n_characters, normalised, says_something, sentences
from grader.rubric import WrittenQuestion

_LATIN_FACTOR = 2.0
"""An alphabet needs about twice the letters for what Japanese or Chinese writing says in one."""
_TOO_SHORT = 1 / 3
_TITLE_LENGTH = 60
_NAME_WITHIN = 80
_LEAST_SHARE = 1 / 3
"""Of the words that tell tasks apart, the part that must speak of a task in a text that may answer it among others."""
_LEAST_WORDS = 2
_TASK_NUMBER = re.compile(r"\d(?:\s*[-\u2010-\u2015\u2212ー]\s*\d+)+")


@dataclass(frozen=True)
class Answer:
    """What a student wrote for one task.

    :ivar text: their sentences, one a line. :ivar where: ``own-cell``, ``task-cell``, ``answer-cell``, ``code`` or
        ``elsewhere``; ``None`` when nothing was found.
    :ivar characters: letters and digits, repetition discounted. :ivar needed: how many a real answer has at least.
    :ivar cells: indices of the cells it stands in.
    :ivar given: handed-out sentences that stand in the answer's place (placeholder, pasted question).
    :ivar pictures: indices of the cells in the answer's place that show a picture of the student's own.
    :ivar shared: it stands in another task's place, and that it answers this one is no more than possible.
    """

    text: str = ""
    where: str | None = None
    characters: int = 0
    needed: int = 30
    cells: tuple[int, ...] = ()
    given: int = 0
    pictures: tuple[int, ...] = ()
    shared: bool = False

    @property
    def empty(self) -> bool:
        """Whether there is nothing at all that the student wrote."""
        return not self.text

    @property
    def has_substance(self) -> bool:
        """Whether it is as long as a real answer."""
        return self.characters >= self.needed

    @property
    def too_short(self) -> bool:
        """Whether it is so short that it cannot be an answer."""
        return self.characters < self.needed * _TOO_SHORT


@dataclass(frozen=True)
class _Place:
    """Where a piece stands. ``names``: tasks that it names itself; ``home``: tasks in whose place it is.

    ``joint``: tasks that one line of the student's own above it names together.
    """

    names: frozenset[str]
    home: frozenset[str]
    joint: frozenset[str]
    where: str
    asked: bool
    """Whether the task itself stands in the same cell."""


@dataclass(frozen=True)
class _Paragraph:
    texts: tuple[str, ...]
    cell: int
    where: str
    home: frozenset[str]
    joint: frozenset[str]

    def score(self, question: WrittenQuestion) -> int:
        """How many of the task's keywords it uses."""
        folded = normalised("".join(self.texts))
        return sum(normalised(word) in folded for word in question.keywords)

    def lead(self, question: WrittenQuestion, questions: Sequence[WrittenQuestion]) -> int:
        """How much more it speaks of this task than of any other; negative when it speaks of another."""
        others = [self.score(q) for q in questions if q is not question]
        return self.score(question) - max(others, default=0)


def find_answers(
    cells: Sequence[NotebookCell], questions: Sequence[WrittenQuestion], given: GivenText
) -> dict[str, Answer]:
    """Answers by criterion id; a task without one has an empty :class:`Answer`."""
    seen = given.seen_in(c.source for c in cells)
    places = _places(cells, questions, seen)
    found: list[tuple[Piece, _Paragraph]] = []
    repeated = {q.criterion: 0 for q in questions}
    for piece, place in places:
        own, handed_out = _own_sentences(piece, place.names, seen)
        if handed_out and not place.asked:
            repeated |= {ident: repeated[ident] + handed_out for ident in place.home}
        if own:
            found.append((piece, _Paragraph(own, piece.cell, place.where, place.home, place.joint)))
    paragraphs = _settled([p for p in _paragraphs(found) if _is_answer(p, questions)], questions)
    shown = [(piece, place) for piece, place in places if not all(map(seen.exactly, piece.pictures))]
    begins = _begins(places)
    answers = {}
    for q in questions:
        chosen = _chosen(q, paragraphs, questions)
        answer = _answer(q, chosen, repeated[q.criterion])
        doubtful = answer.too_short
        if doubtful and (others := _shared(q, paragraphs, questions, begins.get(q.criterion))):
            answer = replace(_answer(q, [*chosen, *others], repeated[q.criterion]), shared=True)
        pictures = _pictures(q, shown, begins, doubtful)
        answers[q.criterion] = replace(answer, pictures=pictures)
    return answers


def _places(
    cells: Sequence[NotebookCell], questions: Sequence[WrittenQuestion], given: GivenText
) -> list[tuple[Piece, _Place]]:
    """All pieces of a notebook, each with its place."""
    pieces = pieces_of(cells)
    named = [_named(piece, questions, given) for piece in pieces]
    task_cells = {
        p.cell for p, names in zip(pieces, named, strict=True) if names and p.heading and given.exactly(p.text)
    } | {c.index for c in cells if "task" in c.tags}
    first = min((p.cell for p, names in zip(pieces, named, strict=True) if names), default=None)
    around = zip(pieces, named, _homes(pieces, named), _joint(pieces, named, given), strict=True)
    return [
        (p, _Place(names, home, joint, _where(p, task_cells, first), p.cell in task_cells))
        for p, names, home, joint in around
    ]


def _begins(places: Sequence[tuple[Piece, _Place]]) -> dict[str, int]:
    """The cell of the first line that names a task, by criterion."""
    return {ident: piece.cell for piece, place in reversed(places) for ident in place.names}


def _remainder(question: WrittenQuestion, text: str) -> str | None:
    """What follows the task's name in a line that begins with it (``課題Ｂ２－１－１ …``); ``None`` if none does."""
    line = re.sub(r"[\u2010-\u2015\u2212ー_]", "-", unicodedata.normalize("NFKC", text[:_NAME_WITHIN])).casefold()
    number = re.sub(r"^[a-z]+(?=\d)", "", question.heading.casefold().replace(" ", ""))
    spaced = r"\s*".join(re.escape(c) for c in number)
    match = re.search(rf"(?<![\d-])[a-z]?\s*{spaced}(?!\d)", line)
    return line[match.end() :] if match and match.start() <= 16 else None


def _named(piece: Piece, questions: Sequence[WrittenQuestion], given: GivenText) -> frozenset[str]:
    """Criteria whose task this piece names. Prose of the handout that only mentions a task names none."""
    if not piece.heading and given.exactly(piece.text) and says_something(piece.text):
        return frozenset()
    return frozenset(q.criterion for q in questions if _remainder(q, piece.text) is not None)


def _homes(pieces: Sequence[Piece], named: Sequence[frozenset[str]]) -> list[frozenset[str]]:
    """For each piece, the criteria in whose place it stands."""
    by_cell: dict[int, frozenset[str]] = {}
    for piece, names in zip(pieces, named, strict=True):
        by_cell[piece.cell] = by_cell.get(piece.cell, frozenset()) | names
    homes: list[frozenset[str]] = []
    home: frozenset[str] = frozenset()
    last_cell = -1
    for piece, names in zip(pieces, named, strict=True):
        if piece.cell != last_cell:
            home = by_cell.get(last_cell) or home
            last_cell = piece.cell
        home = names or home
        homes.append(home)
    return homes


def _joint(pieces: Sequence[Piece], named: Sequence[frozenset[str]], given: GivenText) -> list[frozenset[str]]:
    """For each piece, the criteria that a line of the student's own above it names together."""
    joint: list[frozenset[str]] = []
    together: frozenset[str] = frozenset()
    for piece, names in zip(pieces, named, strict=True):
        if names:
            together = names if len(names) > 1 and not given.exactly(piece.text) else frozenset()
        joint.append(together)
    return joint


def _own_sentences(piece: Piece, names: frozenset[str], given: GivenText) -> tuple[tuple[str, ...], int]:
    """The student's sentences of a piece, and how many others were handed out; titles are neither."""
    text = piece.text
    if piece.heading and (len(text) < _TITLE_LENGTH or names) and not re.search(r"[。.!?！？]\s*$", text):
        return (), 0
    if names:
        text = _TASK_NUMBER.split(unicodedata.normalize("NFKC", text), maxsplit=1)[-1].lstrip(" :.)]-")
        if not says_something(text):
            return (), 0
    parts = sentences(text)
    own = tuple(s for s in parts if s not in given)
    return own, len(parts) - len(own)


def _where(piece: Piece, task_cells: set[int], first_task: int | None) -> str:
    if piece.where is not Where.MARKDOWN:
        return "code"
    if "answer" in piece.tags:
        return "answer-cell"
    if piece.cell in task_cells:
        return "task-cell"
    return "own-cell" if first_task is not None and piece.cell >= first_task else "elsewhere"


def _paragraphs(found: Iterable[tuple[Piece, _Paragraph]]) -> list[_Paragraph]:
    """Joins pieces of one place on adjacent lines of one cell."""
    joined: list[_Paragraph] = []
    last: Piece | None = None
    for piece, paragraph in found:
        adjacent = last is not None and (last.cell, last.where) == (piece.cell, piece.where)
        if adjacent and last is not None and piece.line - last.line <= 1 and joined[-1].home == paragraph.home:
            joined[-1] = replace(joined[-1], texts=joined[-1].texts + paragraph.texts)
        else:
            joined.append(paragraph)
        last = piece
    return joined


def _is_answer(paragraph: _Paragraph, questions: Sequence[WrittenQuestion]) -> bool:
    """Most comments and strings explain code: one must read as prose about a task. Other text is taken as it is."""
    if paragraph.where != "code":
        return True
    lines = [text for text in paragraph.texts if says_something(text)]
    reads_on = len(lines) > 1 or any(re.search(r"[。.!?！？]$", text) for text in lines)
    return reads_on and any(paragraph.score(q) for q in questions)


def _settled(paragraphs: Sequence[_Paragraph], questions: Sequence[WrittenQuestion]) -> list[_Paragraph]:
    """Gives each paragraph of a place that several tasks share to one: by its words, the one before it, or the last."""
    settled: list[_Paragraph] = []
    for paragraph in paragraphs:
        if len(paragraph.home) > 1:
            rivals = [q for q in questions if q.criterion in paragraph.home]
            clear = [q for q in rivals if paragraph.lead(q, rivals) > 0]
            before = settled[-1] if settled and settled[-1].cell == paragraph.cell else None
            home = {clear[0].criterion} if clear else before.home if before else {rivals[-1].criterion}
            paragraph = replace(paragraph, home=frozenset(home))
        settled.append(paragraph)
    return settled


def _chosen(
    question: WrittenQuestion, paragraphs: Sequence[_Paragraph], questions: Sequence[WrittenQuestion]
) -> list[_Paragraph]:
    """Paragraphs in the task's own place; when they say too little, with those from elsewhere that speak of it."""
    at_home = [p for p in paragraphs if question.criterion in p.home]
    if _answer(question, at_home, 0).has_substance:
        return at_home
    strays = [p for p in paragraphs if not p.home and p.lead(question, questions) > 0]
    misplaced = [p for p in paragraphs if p.home and question.criterion not in p.home]
    strays += [p for p in misplaced if p.lead(question, questions) >= 2 and _can_spare(p, paragraphs, questions)]
    strays = [p for p in strays if any(map(says_something, p.texts))]
    return [p for p in paragraphs if p in at_home or p in strays]


def _can_spare(paragraph: _Paragraph, paragraphs: Sequence[_Paragraph], questions: Sequence[WrittenQuestion]) -> bool:
    """Whether the task in whose place it stands has an answer without it."""
    holders = [q for q in questions if q.criterion in paragraph.home]
    others = [p for p in paragraphs if p is not paragraph]
    return all(_answer(q, [p for p in others if q.criterion in p.home], 0).has_substance for q in holders)


def _shared(
    question: WrittenQuestion,
    paragraphs: Sequence[_Paragraph],
    questions: Sequence[WrittenQuestion],
    begins: int | None,
) -> list[_Paragraph]:
    """Text outside the task's place, by whole cells, that may answer it, too.

    A line of the student's own names both tasks; or the words of the cell speak of this one; or, in a cell of the
    student's own below the task's heading, there are as many letters as both answers need.

    :param begins: cell of the first line that names the task.
    """
    others = [p for p in paragraphs if question.criterion not in p.home]
    by_cell = {p.cell: [o for o in others if o.cell == p.cell] for p in others}
    shared: list[_Paragraph] = []
    for cell, group in by_cell.items():
        answer = _answer(question, group, 0)
        together = any(question.criterion in p.joint and any(map(says_something, p.texts)) for p in group)
        needs = answer.needed * sum(1 + len(p.home) for p in group[:1])
        free = all(p.where == "own-cell" for p in group) and (begins is None or begins <= cell)
        words = 1 if free else _LEAST_WORDS  # what stands above, or in another task's answer cell, is likely its answer
        speaks = _speaks_of(question, group, questions) >= words and not answer.too_short
        if together or speaks or (free and answer.characters >= needs):
            shared += group
    return shared


def _pictures(
    question: WrittenQuestion, shown: Sequence[tuple[Piece, _Place]], begins: Mapping[str, int], doubtful: bool
) -> tuple[int, ...]:
    """Cells with pictures in the task's place; where little is written there, also other cells that may answer it.

    In a notebook without any task's heading those from the web are likely of its text, as handed out elsewhere.
    """
    ident = question.criterion
    found = [p.cell for p, place in shown if ident in place.home or (not begins and not all(map(_of_web, p.pictures)))]
    if doubtful and not found:
        found = [p.cell for p, place in shown if place.where == "own-cell" and begins.get(ident, p.cell) <= p.cell]
    return tuple(dict.fromkeys(found))


def _of_web(picture: str) -> bool:
    return "http" in picture.lower()


def _speaks_of(
    question: WrittenQuestion, paragraphs: Iterable[_Paragraph], questions: Sequence[WrittenQuestion]
) -> int:
    """How many of the words that tell tasks apart, sentence by sentence, are this task's; 0 where they are too few."""
    leads = [replace(p, texts=(text,)).lead(question, questions) for p in paragraphs for text in p.texts]
    this = sum(n for n in leads if n > 0)
    return this if this > _LEAST_SHARE * sum(map(abs, leads)) else 0


def _answer(question: WrittenQuestion, found: Sequence[_Paragraph], given: int) -> Answer:
    texts = list(dict.fromkeys(text for p in found for text in p.texts))
    if not texts:
        return Answer(needed=question.min_characters, given=given)
    places = [p.where for p in found for _ in p.texts]
    factor = 1.0 if is_cjk("".join(texts)) else _LATIN_FACTOR
    return Answer(
        text="\n".join(texts),
        where=max(dict.fromkeys(places), key=places.count),
        characters=n_characters(texts),
        needed=round(question.min_characters * factor),
        cells=tuple(sorted({p.cell for p in found})),
        given=given,
    )
