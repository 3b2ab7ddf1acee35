"""What a notebook sends to the grader itself: it is in the kernel, and has its sockets and its key."""

import asyncio
import json
from queue import Empty

import pytest
from jupyter_client.session import Session

from grader.execution.channels import CheckedChannel, read_json
from grader.model import CellOutcome, ExecutionOutcome

FORGER = """
import json
kernel = get_ipython().kernel
session = kernel.session

def raw(*frames):
    kernel.iopub_socket.send_multipart(list(frames))

def signed(header=None, parent=None, metadata=None, content=None, times=1):
    header = {**session.msg_header("display_data")} if header is None else header
    parts = [header, kernel.get_parent()["header"] if parent is None else parent, metadata or {}, content or {}]
    parts = [p if isinstance(p, bytes) else json.dumps(p, default=str).encode() for p in parts]
    for _ in range(times):
        raw(b"<IDS|MSG>", session.sign(parts), *parts)

def shown(text):
    signed(content=b'{"data": {"a/b": %s}, "metadata": {}}' % text)

def reply(**content):
    ident = kernel._shell_parent_ident.get()
    session.send(kernel.shell_stream.socket, "execute_reply", content, parent=kernel.get_parent(), ident=ident)
"""
FRAMES = [
    "raw(b'x')",
    "raw(b'<IDS|MSG>')",
    "raw(b'<IDS|MSG>', b'')",
    "raw(b'<IDS|MSG>', b'0' * 64, b'{}', b'{}', b'{}', b'{}')",
    "raw(b'<IDS|MSG>', b'0' * 2**20, b'{}', b'{}', b'{}', b'{}')",
    "signed(header=b'{')",
    "signed(content={'data': {}, 'metadata': {}}, times=2)",
    "kernel.shell_stream.socket.send_multipart([*kernel._shell_parent_ident.get(), b'x'])",
]
PARTS = [
    "signed(header=[])",
    "signed(header={})",
    "signed(parent=[1])",
    "signed(content=[1])",
    "signed(content=b'[' * 100_000)",
]
CONTENTS = [
    "signed(content={'data': {}, 'metadata': {}, 'execution_count': 'many'})",
    "shown(b'NaN')",
    "shown(b'1e999')",
    r"shown(b'\"\\ud800\"')",
    "shown(b'{\"a\":' * 400 + b'1' + b'}' * 400)",
    "signed(header={**session.msg_header('stream')}, content={'name': 'third', 'text': 'x'})",
    "signed(header={**session.msg_header('update_display_data')}, content={'transient': {'display_id': [1]}})",
]


@pytest.mark.slow
@pytest.mark.parametrize("forged", [FRAMES, PARTS, CONTENTS])
def test_forged_messages_cost_themselves_and_are_said(run, notebook, tmp_path, forged):
    execution = run(notebook(FORGER, *forged, "print('after')", "1 / 0"))
    assert [cell.outcome for cell in execution.cells] == [CellOutcome.OK] * (len(forged) + 2) + [CellOutcome.ERROR]
    (note,) = execution.notes
    assert note.params["cells"] == ", ".join(f"#{i + 2}" for i in range(len(forged)))
    *_, after, _ = json.loads((tmp_path / "evidence" / "executed.ipynb").read_text("utf-8"))["cells"]
    assert [out["text"] for out in after["outputs"]] == [["after\n"]]


@pytest.mark.slow
def test_a_forged_reply_is_no_fault_of_the_graders(run, notebook):
    execution = run(notebook(FORGER, "reply()", "reply(status=5)", "1 / 0"))
    assert execution.outcome is ExecutionOutcome.CELL_ERROR
    assert execution.cells[-1].error_name == "ZeroDivisionError"


@pytest.mark.slow
def test_a_flood_of_forged_messages_does_not_stop_the_clock(run, notebook, monkeypatch):
    monkeypatch.setattr("grader.execution.run.GRACE_S", 1.0)
    forever = "def forever():\n    while True: kernel.iopub_thread.socket.send_multipart([b'x' * 9])"
    flood = "kernel.iopub_thread.schedule(forever)\nimport time\nwhile True: time.sleep(1)"
    execution = run(notebook(FORGER, forever, flood, "a = 1"), cell_time_limit_s=2.0)
    assert execution.outcome is ExecutionOutcome.TIMEOUT
    assert execution.cells[2].outcome is CellOutcome.TIMEOUT


class Socket:
    """Messages that are there already."""

    def __init__(self, *messages):
        self.messages = list(messages)

    async def poll(self, timeout_ms):
        return bool(self.messages)

    async def recv_multipart(self):
        return self.messages.pop(0)


def channel(*messages):
    made = CheckedChannel.__new__(CheckedChannel)
    made.socket, made.session = Socket(*messages), Session(key=b"k")
    made.session.unpack = read_json
    return made


def signed(content):
    session = Session(key=b"k")
    parts = session.serialize(session.msg("stream", content))
    return [bytes(part) for part in parts]


def test_large_messages_are_looked_at_up_to_a_limit_and_small_ones_always(monkeypatch):
    monkeypatch.setattr("grader.execution.channels.LARGE_LIMIT_BYTES", 5 * 2**20)
    large = {"text": "x" * 2 * 2**20}
    ours = channel(signed(large), signed(large), signed(large), signed({"text": "small"}))
    sizes = [len(asyncio.run(ours.get_msg(timeout=1))["content"]["text"]) for _ in range(3)]
    assert sizes == [2 * 2**20, 2 * 2**20, 5]
    assert (ours.odd, ours.cut) == (False, True)
    with pytest.raises(Empty):
        asyncio.run(ours.get_msg(timeout=0))


def test_a_socket_that_is_never_empty_leaves_others_their_turn():
    ours = channel(*[[b"x"]] * 100, signed({"text": "last"}))
    turns = []

    async def watch():
        while True:
            turns.append(len(ours.socket.messages))
            await asyncio.sleep(0)

    async def both():
        watching = asyncio.create_task(watch())
        await ours.get_msg()
        watching.cancel()

    asyncio.run(both())
    assert len(set(turns)) > 90
