"""Sentences in student text, and how much of substance they say, in languages with and without spaces."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from difflib import SequenceMatcher
from functools import lru_cache

_SENTENCE_END = re.compile(r"(?<=[。！？!?])|(?<=[^\d\W]\.)(?=\s)|\n")
_TARGET = r"\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)"
_MARKUP = re.compile(rf"<[^>\n]{{1,500}}>|!\[[^\[\]\n]*\]{_TARGET}|\[([^\[\]\n]*)\]{_TARGET}")
_PICTURE = re.compile(r"!\[[^\]\n]{0,500}\]\s?[(\[][^)\]\n]{0,2000}|<(?:img|svg)\b[^>\n]{0,2000}", re.IGNORECASE)
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af]")
SIMILAR = 0.85
"""``SequenceMatcher`` ratio from which a sentence counts as the given one with a few characters changed."""


@lru_cache(maxsize=2048)  # an attempt's sentences are looked at in several ways, one after the other
def normalised(text: str) -> str:
    """Letters and digits only, compatibility forms folded, lower case: ``Ｂ２－１ です。`` and ``b21です`` are one."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return "".join(c for c in folded if c.isalnum())


def sentences(text: str) -> list[str]:
    """Sentences of ``text`` (a line break ends one), markup removed, those without a letter or digit left out."""
    plain = _MARKUP.sub(lambda m: m.group(1) or " ", text)
    return [s.strip() for s in _SENTENCE_END.split(plain) if normalised(s)]


def pictures_in(text: str) -> tuple[str, ...]:
    """The beginning of each picture's markup: markdown's, and HTML's ``img`` and ``svg``."""
    return tuple(_PICTURE.findall(text))


def digest(sentence: str) -> str:
    """Digest of a sentence's normalised form: 16 hexadecimal digits."""
    return hashlib.blake2b(normalised(sentence).encode(), digest_size=8).hexdigest()


def is_cjk(text: str) -> bool:
    """Whether most of its letters are Japanese, Chinese or Korean."""
    letters = normalised(text)
    return 2 * len(_CJK.findall(letters)) > len(letters)


def n_characters(texts: Iterable[str]) -> int:
    """Letters and digits, each different sentence once; in repetitive text no more than it has variety.

    Variety is the number of different runs of three characters: ``ああああああ`` has one and counts 3. Real prose has
    far more than half as many as letters.
    """
    joined = "\n".join(dict.fromkeys(normalised(t) for t in texts))
    length = len(joined.replace("\n", ""))
    variety = len({joined[i : i + 3] for i in range(len(joined) - 2)})
    return length if variety >= length / 2 else variety + 2


def says_something(sentence: str) -> bool:
    """Whether a line reads as a sentence rather than a label: long enough for its script."""
    length = len(normalised(sentence))
    return length >= 12 if is_cjk(sentence) else len(sentence.split()) >= 5 and length >= 20


def is_prose(line: str) -> bool:
    """Whether a line that is no Python is natural language: mostly CJK, or words without programming signs."""
    if re.search(r"[=\[\]{}]|\w\(", line):
        return is_cjk(line) and says_something(line) and "=" not in line
    return is_cjk(line) or says_something(line)


class GivenText:
    """What was handed out, so that it is never taken for an answer.

    :param digests: of the sentences that were handed out. :param plain: sentences known in full.
    """

    def __init__(self, digests: Iterable[str], plain: Iterable[str] = ()) -> None:
        self._digests = frozenset(digests)
        self._plain = [n for s in plain if len(n := normalised(s)) >= 4]
        self._joined = "".join(self._plain)
        self._letters = [Counter(n) for n in self._plain]

    def __contains__(self, sentence: str) -> bool:
        """Whether ``sentence`` was handed out: word for word, as a part, or with a few characters changed."""
        return digest(sentence) in self._digests or self._close(normalised(sentence))

    def exactly(self, sentence: str) -> bool:
        """Whether it was handed out word for word."""
        return digest(sentence) in self._digests

    def _close(self, text: str) -> bool:
        if text in self._joined:
            return True
        letters = Counter(text)
        matcher = SequenceMatcher(None, "", text, autojunk=False)  # it keeps what it finds out about its second text
        for given, its_letters in zip(self._plain, self._letters, strict=True):
            needed = SIMILAR * (len(given) + len(text)) / 2 - 1e-9
            if min(len(given), len(text)) >= needed and _n_common(letters, its_letters) >= needed:
                matcher.set_seq1(given)
                if matcher.ratio() >= SIMILAR:
                    return True
        return False

    def seen_in(self, texts: Iterable[str]) -> GivenText:
        """The same, with those handed-out sentences in full that occur in ``texts``."""
        found = [s for text in texts for s in sentences(text) if self.exactly(s)]
        return GivenText(self._digests, found)


def _n_common(one: Mapping[str, int], other: Mapping[str, int]) -> int:
    """Letters that both have, whatever their order: what matches in their order can be no more."""
    return sum(min(n, other.get(letter, 0)) for letter, n in one.items())
