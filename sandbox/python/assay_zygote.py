"""The warm interpreter of a slot: waits for jobs on its control socket and forks one process for each.

It never holds a program or a test: those reach the forked process alone, as open files. Control messages (datagrams):
  supervisor -> zygote   struct InsideJob, with descriptors [output, payload, link...]
                         link: candidate: channel; checker: channel, verdict; inline, native: verdict
  zygote -> supervisor   "R" ready, once
                         "S", with the pidfd of what has to be killed to end the job
                         "E<text>" the job's process could not be set up
                         "D" + struct "<qqqq": wait status, user and system microseconds, peak KiB: all is dead
"""
import array
import ctypes
import gc
import importlib
import os
import signal
import socket
import struct
import sys
import types

from assay_candidate import load_program, run_candidate
from assay_checker import compile_text, names_in, run_checker
from assay_codec import decode_frame, encode_frame
from assay_native import run_native

JOB = struct.Struct("<IIQQQQQQ")
DONE = struct.Struct("<qqqq")
CONTROL_FD, LIBRARY_FD = 5, 4
MOST_DESCRIPTORS = 256
CANDIDATE, CHECKER, INLINE, NATIVE = range(4)
NAMESPACES, LANDLOCK, NONE, CHECKER_ISOLATION = range(4)
# What programs usually import: loaded once here, shared by every job.
PRELOAD = """abc bisect builtins cmath collections collections.abc contextlib copy csv dataclasses datetime decimal enum fractions functools
hashlib heapq io itertools json keyword math numbers operator os os.path queue random re statistics string struct sys textwrap
threading time traceback typing unicodedata urllib.parse""".split()


# What tests use: fewer, since every fork pays for what is loaded.
PRELOAD_TESTS = "collections copy functools itertools json math random re typing".split()


def preload(names):
    for name in names:
        try:
            __import__(name)
        except ImportError:
            pass


class Zygote:
    def __init__(self, isolation, readable):
        self.isolation = isolation
        self.library = ctypes.CDLL("/proc/self/fd/%d" % LIBRARY_FD, use_errno=True)
        self.library.inside_enter_job.restype = ctypes.c_char_p
        self.library.inside_enter_job.argtypes = [ctypes.c_char_p, ctypes.c_char_p]
        self.readable = ctypes.create_string_buffer(readable.encode())
        os.close(LIBRARY_FD)
        failed = self.library.inside_begin(isolation, self.readable)
        if failed:
            raise OSError(-failed, os.strerror(-failed))
        self.control = socket.socket(fileno=CONTROL_FD)

    def run(self):
        self.control.send(b"R")
        while True:
            message, ancillary, _, _ = self.control.recvmsg(4096, 256)
            if not message:
                return
            fds = array.array("i")
            for _, _, data in ancillary:
                fds.frombytes(data)
            self.run_job(message[:JOB.size], message[JOB.size:], fds.tolist())

    def run_job(self, job, folder, fds):
        kind = JOB.unpack(job)[1]
        init = 0
        own_namespace = self.isolation == NAMESPACES and kind != CHECKER
        if own_namespace:
            pidfd = ctypes.c_int(-1)
            init = self.library.inside_open_job(ctypes.byref(pidfd))
            if init < 0:
                self.control.send(b"E" + b"pid namespace: " + os.strerror(-init).encode())
                self.finish(fds, 0, None)
                return
            handle = pidfd.value
        pid = os.fork()
        if pid == 0:
            self.be_job(kind, job, folder, fds)
        if not own_namespace:
            handle = os.pidfd_open(pid)
        socket.send_fds(self.control, [b"S"], [handle])
        os.close(handle)
        usage = os.wait4(pid, 0)
        orphans_us = ctypes.c_int64(0)
        if init:
            self.library.inside_close_job(init, ctypes.byref(orphans_us))
        self.finish(fds, usage[1], usage[2], orphans_us.value)

    def finish(self, fds, status, usage, orphans_us=0):
        for fd in fds:
            os.close(fd)
        times = (int(usage.ru_utime * 1e6) + orphans_us, int(usage.ru_stime * 1e6), usage.ru_maxrss) if usage else (0, 0, 0)
        self.control.send(b"D" + DONE.pack(status, *times))

    def be_job(self, kind, job, folder, fds):
        """In the forked process; never returns."""
        try:
            step = self.library.inside_enter_job(job, folder or None)
            if step:
                raise OSError(ctypes.get_errno(), step.decode())
            output, payload, *link = fds
            os.dup2(output, 1)
            os.dup2(output, 2)
            os.close(output)
            with os.fdopen(payload, "rb") as file:
                text = file.read()
        except BaseException as error:
            self.control.send(b"E" + describe_failure(error)[:400].encode("utf-8", "replace"))
            os._exit(1)
        status = 0
        try:
            self.control.close()
            start(kind, text, keep_only(link))
        except BaseException:
            status = 1
            sys.excepthook(*sys.exc_info())
        os._exit(status)


def describe_failure(error):
    """Of the set-up of a job: the step and what the kernel said, or what the interpreter lacked."""
    if isinstance(error, OSError) and error.errno:
        reason = os.strerror(error.errno)
        return str(error) if error.strerror == reason else "%s: %s" % (error.strerror, reason)
    return "%s while its text was read" % type(error).__name__


def keep_only(fds):
    """Moves them to 3, 4, ... and closes all else above 2: the program gets no descriptor of the zygote's."""
    moved = {fd: 3 + place for place, fd in enumerate(sorted(fds))}  # the lowest first: none is overwritten unmoved
    for fd, place in moved.items():
        if fd != place:
            os.dup2(fd, place, False)
        else:
            os.set_inheritable(fd, False)
    os.closerange(3 + len(fds), MOST_DESCRIPTORS)
    return [moved[fd] for fd in fds]


def leave_no_traces():
    """The program finds a __main__ of its own, and none of our modules by name. Done before the fork: what the child does
    not touch is not copied for it."""
    for name in [n for n in sys.modules if n.startswith("assay_")]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["candidate.py"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def warm_up():
    """Runs what every job runs, so that the interpreter's caches are filled here and not in each copy."""
    for _ in range(20):
        text = encode_frame([[[1.5, 2], "a", (1, None)], {"k": [True]}])
        decode_frame(text.encode(), 2)
        names_in(compile_text("import math\n\n\ndef check(f):\n    assert abs(f([1, 2.5]) - 3) < 1e-6\n", "tests"))
        load_program("from typing import List\n\n\ndef f(x: List[int]) -> int:\n    return [y for y in x if y > 0]\n")
    del sys.modules["candidate"]


def start(kind, text, link):
    if kind == CANDIDATE:
        run_candidate(text, link[0])
    elif kind == CHECKER:
        run_checker(text, link[0], link[1])
    elif kind == INLINE:
        run_checker(text, None, link[0])
    else:
        run_native(text, link[0])


def main(isolation, readable, extra, packages):
    preload(PRELOAD_TESTS if int(isolation) == CHECKER_ISOLATION else PRELOAD)
    sys.path += packages.split(":") if packages else []
    for name in extra.split():
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    zygote = Zygote(int(isolation), ":".join(filter(None, (readable, packages))))
    warm_up()
    leave_no_traces()
    gc.collect()
    gc.freeze()
    zygote.run()
    os._exit(0)
