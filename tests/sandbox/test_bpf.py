"""The filter is run here by a small interpreter, for both architectures, wherever the tests run."""

import errno
import struct

import pytest

from grader.sandbox import bpf, syscalls

ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
READ = {"x86_64": 0, "aarch64": 63}
MACHINES = pytest.mark.parametrize("machine", ARCH)


def decide(code, nr, arch, *arguments):
    """What the kernel would do: ``allow``, ``kill`` or the number of the error."""
    data = struct.pack("<IIQ6Q", nr, arch, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    instructions = [struct.unpack_from("<HBBI", code, at) for at in range(0, len(code), 8)]
    position, register, steps = 0, 0, 0
    while True:
        operation, if_true, if_false, k = instructions[position]
        steps += 1
        position += 1
        if operation == 0x20:
            (register,) = struct.unpack_from("<I", data, k)
        elif operation == 0x06:
            verdicts = {0x7FFF0000: "allow", 0x80000000: "kill"}
            return verdicts.get(k, k & 0xFFFF)
        else:
            holds = {0x15: register == k, 0x35: register >= k, 0x45: bool(register & k)}[operation]
            position += if_true if holds else if_false


@MACHINES
def test_every_system_call_on_the_list_is_refused(machine):
    code = bpf.program(machine)
    column = list(ARCH).index(machine)
    numbers = [numbers[column] for numbers in bpf.REFUSED.values() if numbers[column] is not None]
    assert len(numbers) == len(set(numbers)) > 50
    assert {decide(code, number, ARCH[machine]) for number in numbers} == {errno.EPERM}


@MACHINES
def test_everything_else_is_allowed(machine):
    code = bpf.program(machine)
    column = list(ARCH).index(machine)
    listed = {numbers[column] for numbers in (*bpf.REFUSED.values(), *bpf._SPECIAL.values())}
    others = set(range(460)) - listed
    assert {decide(code, number, ARCH[machine]) for number in others} == {"allow"}
    assert READ[machine] in others


@MACHINES
def test_a_call_in_the_way_of_another_architecture_ends_the_process(machine):
    code = bpf.program(machine)
    assert decide(code, READ[machine], 0x40000003) == "kill"


def test_the_x32_way_to_the_same_calls_is_closed():
    code = bpf.program("x86_64")
    ptrace = bpf.REFUSED["ptrace"][0]
    assert decide(code, 0x40000000 | ptrace, ARCH["x86_64"]) == errno.ENOSYS


@MACHINES
def test_threads_and_processes_can_be_made_but_no_namespaces(machine):
    code, arch = bpf.program(machine), ARCH[machine]
    clone = bpf._SPECIAL["clone"][list(ARCH).index(machine)]
    thread = 0x3D0F00
    assert decide(code, clone, arch, thread) == "allow"
    assert decide(code, clone, arch, 17) == "allow"
    for flag in (syscalls.CLONE_NEWUSER, syscalls.CLONE_NEWNS, syscalls.CLONE_NEWNET, syscalls.CLONE_NEWPID):
        assert decide(code, clone, arch, flag | 17) == errno.EPERM
    assert decide(code, 435, arch) == errno.ENOSYS


@MACHINES
def test_sockets_of_families_without_a_namespace_are_refused(machine):
    code, arch = bpf.program(machine), ARCH[machine]
    for name in ("socket", "socketpair"):
        number = bpf._SPECIAL[name][list(ARCH).index(machine)]
        assert [decide(code, number, arch, family) for family in (1, 2, 10, 16)] == ["allow"] * 4
        vsock, packet, algorithm = 40, 17, 38
        assert {decide(code, number, arch, f) for f in (vsock, packet, algorithm)} == {errno.EAFNOSUPPORT}


@MACHINES
def test_nothing_can_be_typed_into_a_terminal(machine):
    code, arch = bpf.program(machine), ARCH[machine]
    ioctl = bpf._SPECIAL["ioctl"][list(ARCH).index(machine)]
    assert decide(code, ioctl, arch, 0, 0x5412) == errno.EPERM
    assert decide(code, ioctl, arch, 0, 0x5401) == "allow"


@MACHINES
def test_memory_of_no_process_is_refused_where_only_processes_are_watched(machine):
    column = list(ARCH).index(machine)
    memfd = bpf.UNWATCHED["memfd_create"][column]
    assert decide(bpf.program(machine), memfd, ARCH[machine]) == "allow"
    assert decide(bpf.program(machine, watched_only=True), memfd, ARCH[machine]) == errno.EPERM


def test_a_machine_without_a_table_is_named():
    with pytest.raises(KeyError, match="riscv64"):
        bpf.program("riscv64")
