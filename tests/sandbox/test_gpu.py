"""What a sandbox shows of a GPU, on a made-up machine; the device that is used is a harmless one of this machine."""

from sandbox.conftest import Inside

from grader.sandbox.box import Box
from grader.sandbox.gpu import gpu_mounts
from grader.sandbox.spec import Mount

NODES = ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "sda")


def made_up(root):
    for path in ("dev", "usr/local/cuda-12.4", "sys/bus/pci", "sys/module/nvidia_uvm", "sys/module/kvm"):
        (root / path).mkdir(parents=True)
    for name in NODES:
        (root / "dev" / name).touch()
    return str(root)


def test_the_slots_own_device_is_shown_and_no_other(tmp_path):
    mounts = gpu_mounts(1, made_up(tmp_path))
    assert [m.target for m in mounts if m.kind == "device"] == ["/dev/nvidia1", "/dev/nvidiactl", "/dev/nvidia-uvm"]
    assert [m.target for m in mounts if m.kind == "ro"] == [
        "/usr/local/cuda-12.4",
        "/sys/bus/pci",
        "/sys/module/nvidia_uvm",
    ]
    assert all(m.source == f"{tmp_path}{m.target}" for m in mounts)


def test_where_nothing_is_there_nothing_is_shown(tmp_path):
    assert gpu_mounts(0, str(tmp_path)) == []


def test_a_device_that_is_shown_can_be_used_and_its_neighbours_are_not_there(sandbox, tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    device = Mount("device", "/dev/nvidia1", "/dev/zero")
    with Box(sandbox, readable=[], writable=[folder], cwd=folder, devices=[device]) as box:
        inside = Inside(box, folder)
        assert inside.look("found = list(open('/dev/nvidia1', 'rb').read(4))") == [0, 0, 0, 0]
        assert inside.look("found = os.path.exists('/dev/nvidia0')") is False
    with Box(sandbox, readable=[], writable=[folder], cwd=folder) as box:
        assert Inside(box, folder).look("found = os.path.exists('/dev/nvidia1')") is False
