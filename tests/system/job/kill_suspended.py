"""Kills an engine's lvcreate while it has its origin suspended, and the engine with it: what a crash at the worst moment of
a snapshot leaves. LVM is through with that moment within milliseconds, so it is traced from one system call to the next.

    kill_suspended.py MINOR ENGINE     minor number of the origin's device, process id of the engine
"""

import ctypes
import os
import signal
import sys

SEIZE, INTERRUPT, TO_NEXT_CALL, ALL_CHILDREN = 0x4206, 0x4207, 24, 0x40000000

minor, engine = int(sys.argv[1]), int(sys.argv[2])
state = os.open(f"/sys/block/dm-{minor}/dm/suspended", os.O_RDONLY)
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, process, data=0):
    if libc.ptrace(request, process, None, data) == -1:
        raise OSError(ctypes.get_errno(), "ptrace")


def lvcreate():
    while True:
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{process}/comm") as name:
                    if name.read() == "lvcreate\n":
                        return int(process)
            except OSError:
                continue
        os.kill(engine, 0)


process = lvcreate()
ptrace(SEIZE, process)
ptrace(INTERRUPT, process)
while True:
    _, status = os.waitpid(process, ALL_CHILDREN)
    if not os.WIFSTOPPED(status):
        sys.exit("lvcreate ended, and never had the origin suspended")
    if os.pread(state, 1, 0) == b"1":
        break
    stopped_by = os.WSTOPSIG(status)
    ptrace(TO_NEXT_CALL, process, 0 if stopped_by == signal.SIGTRAP else stopped_by)
os.kill(engine, signal.SIGKILL)
os.kill(process, signal.SIGKILL)
os.waitpid(process, ALL_CHILDREN)
