"""Where kernels' sockets can lie."""

from __future__ import annotations

import tempfile
from pathlib import Path

from grader.errors import UsageError
from grader.scratch import SOCKET_PATH_LIMIT_BYTES, socket_folder


def require_socket_folder() -> Path:
    """:func:`grader.scratch.socket_folder`.

    :raises UsageError: there is none.
    """
    folder = socket_folder()
    if folder is None:
        named = tempfile.gettempdir()
        raise UsageError(
            f"TMPDIR is {named}, and no shorter temporary folder can be written: the path of a kernel's socket has at "
            f"most {SOCKET_PATH_LIMIT_BYTES} bytes; set TMPDIR to a folder with a short path"
        )
    return folder
