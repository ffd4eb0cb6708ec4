"""The warm interpreter of a slot: waits for jobs on its control socket and forks one process for each.

It never holds a program or a test: those reach the forked process alone, as open files. Between jobs it is in the library
(inside/inside.h), which speaks on the control socket. Messages (datagrams):
  supervisor -> zygote   struct InsideJob, with descriptors [output, payload, link...]
                         link: candidate: channel; checker: channel, verdict; inline, native: verdict
  zygote -> supervisor   "R" ready, once
                         "S", with the pidfd of what has to be killed to end the job
                         "E<text>" the job's process could not be set up
                         "D" + struct "<qqqq": wait status, user and system microseconds, peak KiB: all is dead
"""
import _sitebuiltins
import builtins
import ctypes
import gc
import importlib
import json
import os
import signal
import socket
import struct
import sys
import types

from assay_candidate import run_candidate
from assay_checker import run_checker
from assay_codec import Channel, encode_frame
from assay_native import run_native

JOB = struct.Struct("<IIQQQQQQ")
LINK_FD, LIBRARY_FD, CONTROL_FD, PAYLOAD_FD = 3, 4, 5, 6
MOST_DESCRIPTORS, FOLDER_BYTES = 4, 4096
CANDIDATE, CHECKER, INLINE, NATIVE = range(4)
NAMESPACES, LANDLOCK, NONE, CHECKER_ISOLATION = range(4)
# What programs usually import: loaded once here, shared by every job.
PRELOAD = """abc bisect builtins cmath collections collections.abc contextlib copy csv dataclasses datetime decimal enum fractions functools
heapq io itertools json keyword math numbers operator os os.path queue random re statistics string struct sys textwrap
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
        self.library = ctypes.PyDLL("/proc/self/fd/%d" % LIBRARY_FD, use_errno=True)
        self.library.inside_enter_job.restype = ctypes.c_char_p
        self.readable = ctypes.create_string_buffer(readable.encode())
        self.job = ctypes.create_string_buffer(JOB.size)
        self.folder = ctypes.create_string_buffer(FOLDER_BYTES)
        self.fds = (ctypes.c_int * MOST_DESCRIPTORS)()
        os.close(LIBRARY_FD)
        failed = self.library.inside_begin(isolation, self.readable)
        if failed:
            raise OSError(-failed, os.strerror(-failed))

    def run(self):
        os.write(CONTROL_FD, b"R")
        if self.library.inside_next_job(self.isolation, self.job, self.folder, self.fds):
            self.be_job()

    def be_job(self):
        """In the process of a job; never returns."""
        try:
            step = self.library.inside_enter_job(self.job, self.folder, self.fds)
            if step:
                raise OSError(ctypes.get_errno(), step.decode())
            with open(PAYLOAD_FD, "rb", buffering=0) as file:
                text = file.read()
        except BaseException as error:
            os.write(CONTROL_FD, b"E" + describe_failure(error)[:400].encode("utf-8", "replace"))
            os._exit(1)
        status = 0
        try:
            os.close(CONTROL_FD)
            start(JOB.unpack(self.job)[1], text)
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


def same_in_every_job():
    """What a job finds as if its interpreter had just started, and no different from the last job's."""
    builtins.exit, builtins.quit = _sitebuiltins.Quitter("exit", "Ctrl-D"), _sitebuiltins.Quitter("quit", "Ctrl-D")
    for name in ("random", "numpy.random"):
        if name in sys.modules:
            sys.modules[name].seed(0)


def leave_no_traces():
    """The program finds a __main__ of its own, and none of our modules by name. Done before the fork: what the child does
    not touch is not copied for it."""
    for name in [n for n in sys.modules if n.startswith("assay_")]:
        del sys.modules[name]
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["candidate.py"]
    signal.signal(signal.SIGINT, signal.default_int_handler)


def warm_up(isolation):
    """Goes the way of a job with nobody at the other end, so that the interpreter's caches are filled here and not in each copy."""
    program = ("from typing import List\n\n\ndef f(x: List[int]) -> List[int]:\n    best = None\n    for a in x:\n"
               "        if best is None or a > best:\n            best = a\n    return [y for y in x if y == best]\n")
    tests = "import math\n\n\ndef check(f):\n%s    assert abs(f([1, 2.5])[0] - 3) < math.pi\n" % ("    assert f([1, 2, 3]) == [3]\n" * 4)
    job = {"secret": "", "tests": tests, "setup": "", "entry_point": "f"}
    for _ in range(12):
        if isolation == CHECKER_ISOLATION:
            answers = [(0, "v", [["missing"] * 3 + ["function"]])] + [(n, "v", [[3]]) for n in range(1, 6)]
            record = rehearse(lambda end, verdict: run_checker(json.dumps(job), end, verdict), answers)
        else:
            calls = [(0, "hello", [["check", "f"], []])] + [(n, "f", [[[1, 2, 3, n]], {}]) for n in range(1, 6)]
            rehearse(lambda end, verdict: run_candidate(program.encode(), end), calls)
            record = rehearse(lambda end, verdict: run_checker(json.dumps(dict(job, program=program)), None, verdict), ())
        assert b'"pass"' in record, record
    sys.modules.pop("candidate", None)


def rehearse(play, frames):
    """What `play` writes as its verdict, given a channel on which these frames have come and no more will."""
    ours, theirs = socket.socketpair()
    verdict, verdict_end = os.pipe()
    channel = Channel(theirs.fileno())
    for number, word, values in frames:
        channel.send(number, word, encode_frame(values))
    theirs.shutdown(socket.SHUT_WR)
    play(ours.fileno(), verdict_end)
    os.close(verdict_end)
    record = os.read(verdict, 1 << 12)
    os.close(verdict)
    ours.close()
    theirs.close()
    return record


def start(kind, text):
    if kind == CANDIDATE:
        run_candidate(text, LINK_FD)
    elif kind == CHECKER:
        run_checker(text, LINK_FD, LINK_FD + 1)
    elif kind == INLINE:
        run_checker(text, None, LINK_FD)
    else:
        run_native(text, LINK_FD)


def main(isolation, readable, extra, packages):
    preload(PRELOAD_TESTS if int(isolation) == CHECKER_ISOLATION else PRELOAD)
    sys.path += packages.split(":") if packages else []
    for name in extra.split():
        importlib.import_module(name)
    sys.dont_write_bytecode = True
    zygote = Zygote(int(isolation), ":".join(filter(None, (readable, packages))))
    warm_up(int(isolation))
    same_in_every_job()
    leave_no_traces()
    gc.collect()
    gc.freeze()
    zygote.run()
    os._exit(0)
