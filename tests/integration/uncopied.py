"""A network path on which the kernel does not copy what is sent without copying.

Loopback and plain virtual cables hand the sender's pages to the receiver, so the kernel copies them
first; network cards do not. A virtual cable whose far end runs an XDP program behaves like a card:
the receiver copies, on its own processor. Two network namespaces of our own, nothing of the
machine's is touched, and all of it ends with the process.
"""

import ctypes
import errno
import os
import pathlib
import platform
import struct
import subprocess
import unittest

NEAR, FAR = "10.198.51.1", "10.198.51.2"
# As large as what a card with segmentation offload takes at once, within what XDP allows.
MTU = 32000

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET
_PROGRAM_LOAD, _LINK_CREATE = 5, 28  # bpf(2)
_TYPE_XDP, _ATTACH_XDP = 6, 37
_FRAGMENTS = 1 << 5  # BPF_F_XDP_HAS_FRAGS
_IN_DRIVER = 1 << 2  # XDP_FLAGS_DRV_MODE
_BPF = {"x86_64": 321, "aarch64": 280, "riscv64": 280}
# r0 = XDP_PASS; exit
_PASS = struct.pack("<BBhiBBhi", 0xb7, 0, 0, 2, 0x95, 0, 0, 0)
_REFUSALS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)

_libc = ctypes.CDLL(None, use_errno=True)


class Refused(unittest.SkipTest):
    """This kernel, or who runs it, does not allow such a path."""


def _checked(value, what):
    if value < 0:
        number = ctypes.get_errno()
        kind = Refused if number in _REFUSALS else OSError
        raise kind(f"{what}: {os.strerror(number)}")
    return value


def _bpf(command, attributes, what):
    number = _BPF.get(platform.machine())
    if number is None:
        raise Refused(f"no bpf(2) known on {platform.machine()}")
    room = ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128)
    return _checked(_libc.syscall(number, command, room, 128), what)


def _pass_all():
    """A loaded program that lets every packet through, in fragments too."""
    code = ctypes.create_string_buffer(_PASS, len(_PASS))
    terms = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack("<IIQQIIQII", _TYPE_XDP, len(_PASS) // 8, ctypes.addressof(code),
                             ctypes.addressof(terms), 0, 0, 0, 0, _FRAGMENTS)
    return _bpf(_PROGRAM_LOAD, attributes, "loading an XDP program")


def _enter(descriptor):
    _checked(_libc.setns(descriptor, _NEW_NETWORK), "entering a network namespace")


def _new_namespace():
    _checked(_libc.unshare(_NEW_NETWORK), "a network namespace of its own")
    _run("ip", "link", "set", "lo", "up")
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def _run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")


class Path:
    """While entered, this thread and what it starts are at the near end (NEAR); far() runs a
    command at the far one (FAR)."""

    def __enter__(self):
        self._files = [os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)]
        try:
            self._far = _new_namespace()
            self._files.append(self._far)
            self._near = _new_namespace()
            self._files.append(self._near)
            self._join()
            self._attach()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        _enter(self._files[0])
        for file in self._files:
            os.close(file)

    def far(self, *command):
        return ["nsenter", f"--net=/proc/{os.getpid()}/fd/{self._far}", *map(str, command)]

    def _join(self):
        _run("ip", "link", "add", "near0", "mtu", str(MTU), "type", "veth", "peer", "name", "far0",
             "mtu", str(MTU), "netns", f"/proc/{os.getpid()}/fd/{self._far}")
        _run("ip", "address", "add", f"{NEAR}/24", "dev", "near0")
        _run("ip", "link", "set", "near0", "up")
        _run(*self.far("ip", "address", "add", f"{FAR}/24", "dev", "far0"))
        _run(*self.far("ip", "link", "set", "far0", "up"))

    def _attach(self):
        program = _pass_all()
        self._files.append(program)
        _enter(self._far)
        try:
            attributes = struct.pack("<IIII", program, self._index(), _ATTACH_XDP, _IN_DRIVER)
            self._files.append(_bpf(_LINK_CREATE, attributes, "attaching an XDP program"))
        finally:
            _enter(self._near)

    @staticmethod
    def _index():
        return _checked(_libc.if_nametoindex(b"far0") or -1, "the far end")

    def receive_on(self, processor):
        """Gives the far end's work a thread of its own, on that processor: the sender's CPU time
        is then the sender's alone."""
        _run(*self.far("unshare", "--mount", "sh", "-c",
                       "mount -t sysfs none /sys && echo 1 >/sys/class/net/far0/threaded"))
        for entry in pathlib.Path("/proc").glob("[0-9]*/comm"):
            try:
                if entry.read_text().startswith("napi/far0"):
                    os.sched_setaffinity(int(entry.parent.name), {processor})
            except OSError:
                continue
