"""Take away from this process what it does not need, before it touches bytes from outside.

Called in a decoder child, once its libraries are loaded. Every step is tried; the report says
which hold on this machine (`kaiwa doctor` prints it). Linux has them all; elsewhere only some of
the resource limits work.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import signal
import struct
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER = 0x1000_0000
_CLONE_NEWNET = 0x4000_0000

# landlock(7); the numbers are the same on every architecture
_SYS_LANDLOCK_CREATE_RULESET = 444
_SYS_LANDLOCK_RESTRICT_SELF = 446
_LANDLOCK_CREATE_RULESET_VERSION = 1
_LANDLOCK_FILE_ACCESS = 0x1FFF  # execute, read, write, list, remove, make …: all of ABI 1
_LANDLOCK_TCP_ACCESS = 0x3  # bind and connect, since ABI 4
_LANDLOCK_TCP_ABI = 4


@dataclass(frozen=True, slots=True)
class Confinement:
    """What holds for a confined process.

    `no_network`: a network namespace of its own, without any device. `no_files`: Landlock lets
    it open nothing. `no_new_descriptors`: neither a file nor a socket can be opened at all.
    """

    no_new_privileges: bool
    dies_with_parent: bool
    no_network: bool
    no_files: bool
    no_new_descriptors: bool
    memory_limit: bool
    cpu_limit: bool
    no_file_writes: bool
    no_new_processes: bool

    def as_dict(self) -> dict[str, bool]:
        return asdict(self)


def confine(*, memory: int, cpu_seconds: int) -> Confinement:
    """Confine this process for good. It must have one thread only, or `no_network` fails.

    `memory` is what it may still allocate, in bytes, on top of what it has.
    """
    address_space = _address_space() + memory  # read while files can still be opened
    is_root = os.geteuid() == 0  # whose processes the kernel does not count, in any namespace
    no_new_privileges = _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return Confinement(
        no_new_privileges=no_new_privileges,
        dies_with_parent=die_with_parent(),
        no_network=_leave_network(),
        no_files=no_new_privileges and _forbid_files(),
        memory_limit=_limit(resource.RLIMIT_AS, address_space),
        cpu_limit=_limit(resource.RLIMIT_CPU, cpu_seconds),
        no_file_writes=_limit(resource.RLIMIT_FSIZE, 0) and _limit(resource.RLIMIT_CORE, 0),
        no_new_processes=_limit(resource.RLIMIT_NPROC, 0) and not is_root,
        no_new_descriptors=_limit(resource.RLIMIT_NOFILE, _descriptors_in_use()),
    )


def die_with_parent() -> bool:
    """Have the kernel kill this process when the thread that started it ends."""
    return _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def be_nice(niceness: int) -> None:
    """Leave the processor to others, also where Linux weighs sessions before processes
    (sched_autogroup)."""
    os.nice(niceness)
    if os.getsid(0) == os.getpid():
        with suppress(OSError):
            Path("/proc/self/autogroup").write_text(str(niceness))


def _libc() -> ctypes.CDLL | None:
    return ctypes.CDLL(None, use_errno=True) if platform.system() == "Linux" else None


def _prctl(option: int, value: int) -> bool:
    libc = _libc()
    return libc is not None and libc.prctl(option, value, 0, 0, 0) == 0


def _leave_network() -> bool:
    """Move to a new, empty network namespace (os.unshare needs Python 3.12)."""
    libc = _libc()
    return libc is not None and libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0


def _forbid_files() -> bool:
    """Landlock with no rule: nothing can be opened any more; nor TCP used, where it knows how."""
    libc = _libc()
    if libc is None:
        return False
    abi = libc.syscall(
        _SYS_LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), _LANDLOCK_CREATE_RULESET_VERSION
    )
    if abi < 1:
        return False
    handled = struct.pack("<Q", _LANDLOCK_FILE_ACCESS)
    if abi >= _LANDLOCK_TCP_ABI:
        handled += struct.pack("<Q", _LANDLOCK_TCP_ACCESS)
    ruleset = libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    if ruleset < 0:
        return False
    try:
        return bool(libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _limit(which: int, value: int) -> bool:
    """Soft and hard limit, so that it cannot be raised again."""
    try:
        resource.setrlimit(which, (value, value))
    except (OSError, ValueError):  # macOS knows no RLIMIT_AS; a lower hard limit may be in force
        return False
    return True


def _address_space() -> int:
    """Bytes of address space in use; a generous guess where /proc does not say."""
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return 1 << 30
    return int(statm.read_text().split()[0]) * resource.getpagesize()


def _descriptors_in_use() -> int:
    """One more than the highest open descriptor: the smallest limit that takes none away."""
    highest = 2
    for descriptor in range(3, 256):
        try:
            os.fstat(descriptor)
        except OSError:
            continue
        highest = descriptor
    return highest + 1
