"""The one cell of a handout that loads the student's own check, where the program is installed."""

from __future__ import annotations

import json

from grader.messages import Catalogue
from grader.model import Text
from grader.rubric import bundled_course_dir

ABOUT = Text("Optional: checks your work while you write it. You may leave this cell as it is.")
ABSENT = Text("The self-check is not installed here. You can go on without it.")
_SOURCE = """# {about}
try:
    get_ipython().run_line_magic("load_ext", "grader")
    get_ipython().run_line_magic("grader", "use {assignment} --lang {language}")
except Exception:
    print({absent})"""


def extension_cell_source(assignment: str, language: str) -> str:
    """Python that never fails: in Colab, without the program (or with another of that name), while grading."""
    say = Catalogue(language, bundled_course_dir() / "reports" / "locale").render
    absent = json.dumps(say(ABSENT), ensure_ascii=False)
    return _SOURCE.format(about=say(ABOUT), assignment=assignment, language=language, absent=absent)
