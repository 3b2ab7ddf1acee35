"""The grader's ends of a kernel's sockets. Student code can write to them what it likes, and knows the key.

What is no message of Jupyter's (https://jupyter-client.readthedocs.io/en/stable/messaging.html) is left out and said.
"""

from __future__ import annotations

import asyncio
import json
import math
import time
from queue import Empty
from typing import Any

from jupyter_client.asynchronous import AsyncKernelClient
from jupyter_client.channels import AsyncZMQSocketChannel
from jupyter_client.manager import AsyncKernelManager
from traitlets import Type

LARGE_BYTES = 2**20
LARGE_LIMIT_BYTES = 256 * 2**20
"""Of all large messages of one channel together; further ones are not looked at."""
_DEPTH_LIMIT = 100
_SIGNATURE_BYTES = 64
_PARTS = ("header", "parent_header", "metadata", "content")


def read_json(data: bytes) -> Any:
    """What a notebook file can hold as well.

    :raises ValueError: no JSON, not a number, half a character, or nested too deeply.
    """
    value = json.loads(data.decode("utf-8", "replace"))
    json.dumps(value, ensure_ascii=False, allow_nan=False).encode("utf-8")
    level = [value]
    for _ in range(_DEPTH_LIMIT):
        inner = [part.values() if isinstance(part, dict) else part for part in level]
        level = [item for items in inner for item in items if isinstance(item, dict | list)]
        if not level:
            return value
    raise ValueError(f"nested more than {_DEPTH_LIMIT} deep")


class CheckedChannel(AsyncZMQSocketChannel):  # type: ignore[misc]
    """Gives only well-formed messages.

    :ivar odd: something else came; :ivar cut: more came than is looked at. Both until somebody resets them.
    """

    odd = False
    cut = False
    _large_bytes = 0

    async def get_msg(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message.

        :param timeout: seconds; ``None``: without end.
        :raises Empty: none came in time.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while True:
            left_s = max(0.0, deadline - time.monotonic())
            if not await self.socket.poll(None if left_s == math.inf else int(left_s * 1000)):
                raise Empty
            message = self._read(await self.socket.recv_multipart())
            await asyncio.sleep(0)  # a socket that is never empty must not keep the watches from their turn
            if message is not None:
                return message

    def _read(self, frames: list[bytes]) -> dict[str, Any] | None:
        size = sum(map(len, frames))
        if size > LARGE_BYTES:
            self._large_bytes += size
            if self._large_bytes > LARGE_LIMIT_BYTES:
                self.cut = True
                return None
        try:
            _, parts = self.session.feed_identities(frames)
            if len(parts[0]) > _SIGNATURE_BYTES:  # the session keeps it
                raise ValueError("no signature of ours")
            message: dict[str, Any] = self.session.deserialize(parts)
            if not all(isinstance(message[part], dict) for part in _PARTS) or not isinstance(message["msg_type"], str):
                raise ValueError("a part of another type")
        except Exception:  # there is no end to what can be wrong, and all of it is the sender's
            self.odd = True
            return None
        return message


class CheckedClient(AsyncKernelClient):  # type: ignore[misc]
    """A client of what is needed: a socket that nobody reads would fill this process' memory."""

    shell_channel_class = Type(CheckedChannel)
    iopub_channel_class = Type(CheckedChannel)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.session.unpack = read_json

    def start_channels(
        self, shell: bool = True, iopub: bool = True, stdin: bool = False, hb: bool = False, control: bool = False
    ) -> None:
        """Opens two channels of five; whether the kernel lives its process says."""
        super().start_channels(shell, iopub, stdin, hb, control)


class CheckedManager(AsyncKernelManager):  # type: ignore[misc]
    """A manager of kernels that are interrupted and ended by signals, never by a message."""

    def _connect_control_socket(self) -> None:
        """It would be one that nobody reads."""
