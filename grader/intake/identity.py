"""Decides who an attempt is from; places that disagree are reported, never guessed away.

Order of trust: a number that the roster knows, then the header cell, then the LMS, the folder and the file name.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from grader.intake.filename import Claim
from grader.intake.roster import Roster
from grader.model import Student, Text
from grader.people import id_key, name_key

HEADER = Text("the header cell")
ROSTER = Text("the roster")

# Control characters, line separators, direction marks (Unicode standard annex 9), halves of surrogate pairs.
INVISIBLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
FIELD_LIMIT_CHARACTERS = 120

_SCRIPTS = (re.compile(r"[一-鿿々]"), re.compile(r"[぀-ヿ]"), re.compile(r"[Ѐ-ӿ]"), re.compile(r"[A-Za-zÀ-ɏ]"))


def resolve(claims: Sequence[Claim], roster: Roster | None) -> tuple[Student, tuple[Text, ...]]:
    """The student that ``claims`` (most trusted first) speak of, and what they disagree on."""
    claims = [Claim(claim.place, _visible(claim.student), claim.lms_id) for claim in claims]
    if roster is not None:
        claims = [_translated(claim, roster) for claim in claims]
    conflicts: list[Text] = []
    chosen = _chosen_number(claims, roster)
    entry = roster.by_id(chosen.student.id) if roster is not None and chosen else None
    others = claims
    if roster is not None and entry is None:
        entry = _entry_without_number(claims, roster)
        conflicts += _unknown_number(chosen, entry)
        others = [claim for claim in claims if claim is not chosen]
    ident = entry.id if entry and entry.id else chosen.student.id if chosen else None
    conflicts += _number_conflicts(others, ident, roster)
    named = [claim for claim in claims if claim.student.name]
    if entry and entry.name:
        named.append(Claim(ROSTER, entry))
    conflicts += _name_conflicts(named)
    emails = [claim.student.email for claim in claims if claim.student.email]
    if roster is not None:
        conflicts += _email_conflicts(emails, roster, entry)
    email = (entry.email if entry else None) or next(iter(emails), None)
    return Student(ident, named[0].student.name if named else None, email), tuple(conflicts)


def _visible(student: Student) -> Student:
    """``student`` without what cannot be seen, or moves what can; too long for a name is cut."""
    fields = (student.id, student.name, student.email)
    shown = (INVISIBLE.sub("", field).strip()[:FIELD_LIMIT_CHARACTERS] if field else None for field in fields)
    return Student(*(field or None for field in shown))


def _translated(claim: Claim, roster: Roster) -> Claim:
    """``claim`` with the student's number where the roster knows the LMS' number."""
    entry = roster.by_id(claim.lms_id) if claim.student.id is None else None
    if entry is None:
        return claim
    return Claim(claim.place, Student(entry.id, claim.student.name, claim.student.email))


def _chosen_number(claims: Sequence[Claim], roster: Roster | None) -> Claim | None:
    numbered = [claim for claim in claims if claim.student.id]
    known = [claim for claim in numbered if roster is not None and roster.by_id(claim.student.id)]
    return next(iter(known or numbered), None)


def _entry_without_number(claims: Sequence[Claim], roster: Roster) -> Student | None:
    by_email = (roster.by_email(claim.student.email) for claim in claims)
    by_name = (roster.by_name(claim.student.name) for claim in claims)
    return next((entry for entry in (*by_email, *by_name) if entry), None)


def _unknown_number(chosen: Claim | None, entry: Student | None) -> list[Text]:
    if chosen is None:
        return []
    if entry is None or not entry.id:
        return [Text("The roster has no student with the number {id}.", {"id": chosen.student.id})]
    return [
        Text(
            "The roster has no student with the number {id}; by name or address it is {taken}, which was taken.",
            {"id": chosen.student.id, "taken": entry.id},
        )
    ]


def _number_conflicts(claims: Sequence[Claim], taken: str | None, roster: Roster | None) -> list[Text]:
    """One text for each place that gives another student's number than the one taken."""
    conflicts = []
    for claim in claims:
        said = claim.student.id
        owner = roster.by_id(said) if roster is not None else None
        if said and taken and taken not in (said, owner.id if owner else None) and id_key(said) != id_key(taken):
            params = {"place": claim.place, "said": said, "taken": taken}
            conflicts.append(Text("Student number: {place} says {said}, but {taken} was taken.", params))
    return conflicts


def _name_conflicts(named: Sequence[Claim]) -> list[Text]:
    return [
        Text(
            "Name: {first_place} says {first}, {second_place} says {second}.",
            {
                "first_place": named[0].place,
                "first": named[0].student.name,
                "second_place": other.place,
                "second": other.student.name,
            },
        )
        for other in named[1:]
        if _differ(named[0].student.name or "", other.student.name or "")
    ]


def _differ(first: str, second: str) -> bool:
    """Whether two names in the same script cannot be one person's: neither holds the other or all its words."""
    scripts = [next((n for n, script in enumerate(_SCRIPTS) if script.search(name)), -1) for name in (first, second)]
    one, two = name_key(first), name_key(second)
    if scripts[0] != scripts[1] or not one or not two:
        return False
    # Canvas joins the words of a name: compare letters, too.
    return one not in two and two not in one and sorted(one) != sorted(two)


def _email_conflicts(emails: Sequence[str], roster: Roster, entry: Student | None) -> list[Text]:
    owners = [(email, roster.by_email(email)) for email in emails]
    return [
        Text("The mail address {email} is that of another student of the roster ({id}).", {"email": email, "id": o.id})
        for email, o in owners
        if o is not None and entry is not None and o != entry
    ]
