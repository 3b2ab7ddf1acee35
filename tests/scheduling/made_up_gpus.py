"""A machine with GPUs that nobody has: what NVML would answer on it."""

from types import SimpleNamespace


class NVMLError(Exception):
    """As the binding's own."""


class FakeNvml:
    """Stands for the module ``pynvml``; ``devices``: memory of each in MiB, or the error that asking for it raises."""

    def __init__(self, *devices, divided=(), init_error=None, old=False):
        self.devices, self.divided, self.init_error, self.old = devices, divided, init_error, old
        self.open = 0

    def nvmlInit(self):  # noqa: N802
        if self.init_error:
            raise self.init_error
        self.open += 1

    def nvmlShutdown(self):  # noqa: N802
        self.open -= 1

    def nvmlDeviceGetCount(self):  # noqa: N802
        return len(self.devices)

    def nvmlDeviceGetHandleByIndex(self, index):  # noqa: N802
        if isinstance(self.devices[index], Exception):
            raise self.devices[index]
        return index

    def nvmlDeviceGetMigMode(self, handle):  # noqa: N802
        if self.old:
            raise NVMLError("Not Supported")
        return (int(handle in self.divided), 0)

    def nvmlDeviceGetUUID(self, handle):  # noqa: N802
        uuid = f"GPU-{handle}0000000-made-up"
        return uuid.encode() if self.old else uuid

    def nvmlDeviceGetName(self, handle):  # noqa: N802
        return b"Made-up GPU" if self.old else "Made-up GPU"

    def nvmlDeviceGetMemoryInfo(self, handle):  # noqa: N802
        return SimpleNamespace(total=self.devices[handle] * 2**20)

    def nvmlDeviceGetMinorNumber(self, handle):  # noqa: N802
        return handle + 1  # not the index: the two differ on some machines
