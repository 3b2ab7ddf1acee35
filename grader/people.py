"""How numbers, addresses and names of people are compared: by whoever reads a class list, and by the gradebook."""

from __future__ import annotations

import re
import unicodedata

from grader.model import Student


def folded(text: str | None) -> str:
    """``text`` without differences of full-width forms, case and outer space."""
    return unicodedata.normalize("NFKC", text or "").casefold().strip()


def id_key(ident: str) -> str:
    """A student number as it is compared: NFKC, upper case, only letters and digits."""
    return "".join(c for c in unicodedata.normalize("NFKC", ident).upper() if c.isalnum())


def person_key(text: str | None) -> str:
    """A number, address or name in a list of staff's, as it is compared; empty where there is none."""
    plain = folded(text)
    return plain if "@" in plain else id_key(plain)


def person_keys(student: Student) -> list[str]:
    """All by which such a list may call ``student``, the most telling first."""
    return [key for value in (student.id, student.email, student.name) if (key := person_key(value))]


def name_words(name: str) -> list[str]:
    """The words of a name: NFKC, lower case, only letters."""
    return re.findall(r"[^\W\d_]+", unicodedata.normalize("NFKC", name).casefold())


def name_key(name: str) -> str:
    """A name as it is compared: NFKC, lower case, only letters; the words of a name in an alphabet in sorted order."""
    words = name_words(name)
    return "".join(words if any("\u3040" <= c <= "\u9fff" for word in words for c in word) else sorted(words))


def participant_number(text: str) -> str | None:
    """``123`` of Moodle's ``Participant 123``, in whatever language; ``None`` for anything else."""
    match = re.fullmatch(r"\s*[^\W\d][^\d]*?(\d{1,12})\s*", text)
    return match[1] if match else None


def is_known_by_name_only(student: Student) -> bool:
    """Whether there is a name, and neither number nor address."""
    return bool(student.name) and not student.id and not student.email


def same_name(one: Student, other: Student) -> bool:
    """Whether both have a name, and the same one."""
    return bool(one.name and other.name) and name_key(one.name or "") == name_key(other.name or "")


def same_person(one: Student, other: Student) -> bool:
    """Whether both are surely one person: by the number where both have one, else by the address.

    A name alone joins only those of whom nothing else is known: others may bear it.
    """
    if one.id and other.id:
        return id_key(one.id) == id_key(other.id)
    if one.email and other.email:
        return folded(one.email) == folded(other.email)
    return is_known_by_name_only(one) and is_known_by_name_only(other) and same_name(one, other)
