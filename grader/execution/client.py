"""nbclient with every cell tried, output capped and folded as it arrives, and no cell skipped by its tags."""

from __future__ import annotations

import math
import re
from typing import Any

from nbclient import NotebookClient
from nbclient.client import CellControlSignal
from nbformat import NotebookNode

from grader.execution.terminal import Terminal, fold

OUTPUTS_PER_CELL_LIMIT = 400
RICH_BYTES_LIMIT = 64 * 2**20
_TRACEBACK_CHARS = 20_000
# What TensorFlow's C++ side writes while it loads, with times and process numbers in it; no log level silences it.
_NATIVE_LOG = re.compile(r"^(?:[IWE]\d{4} \d\d:\d\d:\d+\.\d+ .*|WARNING: All log messages before absl::.*)\n?", re.M)


class CappedClient(NotebookClient):  # type: ignore[misc]
    """One notebook's client.

    :param output_limit_chars: of folded stream text, per cell.
    """

    clear_before_next_output: bool

    def __init__(self, notebook: NotebookNode, manager: Any, output_limit_chars: int, startup_timeout_s: float) -> None:
        super().__init__(
            notebook,
            km=manager,
            allow_errors=True,
            timeout=None,
            startup_timeout=math.ceil(startup_timeout_s),
            iopub_timeout=4,
            skip_cells_with_tag="",
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=False,
        )
        self.clear_before_next_output: bool = False
        self._limit = output_limit_chars
        self._rich_bytes = 0
        self._terminals: dict[tuple[int, str], Terminal] = {}
        self._streams: dict[tuple[int, str], NotebookNode] = {}
        self.cut_cells: set[int] = set()
        self.odd_cells: set[int] = set()

    def output(self, outs: list[NotebookNode], msg: dict[str, Any], display_id: str | None, cell_index: int) -> Any:
        """Keeps one output: streams folded into one piece a stream, rich ones while there is room."""
        if self.clear_before_next_output:  # clear_output(wait=True) came before this one
            self.clear_before_next_output = False
            outs[:] = []
            self.clear_display_id_mapping(cell_index)
            self._forget(outs, cell_index)
        if msg["msg_type"] == "stream":
            return self._stream(outs, str(msg["content"].get("name")), str(msg["content"].get("text")), cell_index)
        if len(outs) >= OUTPUTS_PER_CELL_LIMIT or not self._room(msg):
            self.cut_cells.add(cell_index)
            return None
        out = super().output(outs, msg, display_id, cell_index)
        if out is not None and out.get("output_type") == "error":
            out["traceback"] = [fold(line, _TRACEBACK_CHARS) for line in out.get("traceback", ())][:200]
            out["evalue"] = fold(str(out.get("evalue", "")), 2_000)
        return out

    def _room(self, msg: dict[str, Any]) -> bool:
        """Whether a message may still be kept; if so its size is counted."""
        size = len(str(msg["content"]))
        if self._rich_bytes + size > RICH_BYTES_LIMIT:
            return False
        self._rich_bytes += size
        return True

    def _stream(self, outs: list[NotebookNode], name: str, text: str, cell_index: int) -> NotebookNode | None:
        key = (cell_index, name)
        if name not in ("stdout", "stderr"):
            raise ValueError(f"a stream {name[:80]!r}")
        if key not in self._streams:
            self._terminals[key] = Terminal(self._limit)
            self._streams[key] = NotebookNode(output_type="stream", name=name, text="")
            outs.append(self._streams[key])
        self._terminals[key].feed(text)
        return self._streams[key]

    def clear_output(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """``clear_output`` also forgets what was folded so far."""
        super().clear_output(outs, msg, cell_index)
        self._forget(outs, cell_index)

    def _forget(self, outs: list[NotebookNode], cell_index: int) -> None:
        for key in [k for k in self._streams if k[0] == cell_index]:
            if not any(out is self._streams[key] for out in outs):
                del self._streams[key], self._terminals[key]

    def settle(self, cell_index: int) -> None:
        """After a cell: writes the folded text into its outputs."""
        for channel in (self.kc.iopub_channel, self.kc.shell_channel):
            if channel.odd:
                self.odd_cells.add(cell_index)
            if channel.cut:
                self.cut_cells.add(cell_index)
            channel.odd = channel.cut = False
        outputs = self.nb.cells[cell_index].outputs
        for key in [k for k in self._streams if k[0] == cell_index]:
            terminal = self._terminals.pop(key)
            stream = self._streams.pop(key)
            stream["text"] = _NATIVE_LOG.sub("", terminal.text()) if key[1] == "stderr" else terminal.text()
            if not stream["text"]:
                outputs[:] = [out for out in outputs if out is not stream]
            if terminal.dropped_chars:
                self.cut_cells.add(cell_index)

    def handle_comm_msg(self, outs: list[NotebookNode], msg: dict[str, Any], cell_index: int) -> None:
        """Output widgets keep what they are sent, so it is counted as well."""
        kept = msg["msg_type"] == "comm_open" or msg["content"]["comm_id"] in self.comm_objects
        if kept and not self._room(msg):
            self.cut_cells.add(cell_index)
        else:
            super().handle_comm_msg(outs, msg, cell_index)

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> Any:
        """Leaves out a message that is not as Jupyter's are: ``display(raw=True)`` sends whatever the notebook says."""
        try:
            if not isinstance(msg["content"].get("execution_count"), int | None):
                raise TypeError("a count that is no number")
            return super().process_message(msg, cell, cell_index)
        except CellControlSignal:
            raise
        except Exception:  # the kernel's doing, whatever it is
            self.odd_cells.add(cell_index)
            return None

    async def _check_raise_for_error(self, cell: NotebookNode, cell_index: int, exec_reply: Any) -> None:
        """Errors are read in the outputs; a reply can say anything."""
