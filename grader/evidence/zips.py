"""Opens zip archives that others made without letting their table of contents fill the memory."""

from __future__ import annotations

import zipfile
from typing import Protocol

DIRECTORY_LIMIT_BYTES = 16 * 2**20


class TooManyMembersError(ValueError):
    """The archive's table of contents is larger than is read."""


class _Stream(Protocol):
    def read(self, size: int = -1, /) -> bytes: ...
    def seek(self, offset: int, whence: int = 0, /) -> int: ...
    def tell(self) -> int: ...
    def close(self) -> None: ...


class _Modest:
    """A stream that refuses large reads until ``opened``: ``zipfile`` reads a table of contents in one piece.

    A table of 100 MiB becomes 2 million objects of 1 KiB each.
    """

    def __init__(self, stream: _Stream) -> None:
        self._stream = stream
        self.opened = False
        self.seek, self.tell, self.close = stream.seek, stream.tell, stream.close

    def read(self, size: int = -1) -> bytes:
        if not self.opened and size > DIRECTORY_LIMIT_BYTES:
            raise TooManyMembersError(f"its table of contents has {size} bytes, at most {DIRECTORY_LIMIT_BYTES}")
        return self._stream.read(size)

    def seekable(self) -> bool:
        return True


def open_zip(stream: _Stream, members_limit: int) -> zipfile.ZipFile:
    """The archive in ``stream``.

    :raises TooManyMembersError: more than ``members_limit`` of them. Anything else that ``zipfile`` raises passes.
    """
    modest = _Modest(stream)
    archive = zipfile.ZipFile(modest)
    modest.opened = True
    if len(archive.infolist()) > members_limit:
        raise TooManyMembersError(f"it has {len(archive.infolist())} members, at most {members_limit} are read")
    return archive
