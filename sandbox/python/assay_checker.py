"""The tests' side: runs the data set's tests with proxies that call the program in the other process.

The verdict goes to a pipe of its own, headed by the run's secret, after the tests have returned. In inline mode program
and tests share one module; then only exits, crashes and wrong answers are caught, not forgeries.
"""
import builtins
import importlib
import json
import os
import sys
import traceback

from assay_candidate import describe, load_program
from assay_codec import MAX_FRAME, Channel, Closed, Malformed, NotPlain, decode_frame, encode_frame


STANDARD_MODULES = getattr(sys, "stdlib_module_names", sys.builtin_module_names)  # from Python 3.10 on


class Ended(BaseException):
    """The program's part is over; the verdict is already known."""


class DataError(Exception):
    """The tests themselves can't run: not the program's fault."""


class Outcome:
    def __init__(self):
        self.verdict = None
        self.reason = ""

    def end(self, verdict, reason):
        """The first word on the program stands, whatever the tests catch afterwards."""
        if self.verdict is None:
            self.verdict, self.reason = verdict, reason
        raise Ended()


def raised_reason(name, text):
    if name == "SystemExit":
        return "the program ended early: exit(%s)" % text
    return "raised %s%s" % (name, ": " + text if text else "")


class Remote:
    """Calls into the program's process."""

    def __init__(self, channel, outcome, records):
        self.channel = channel
        self.outcome = outcome
        self.records = records
        self.number = 0
        self.raised = []

    def exchange(self, number, word, text):
        try:
            self.channel.send(number, word, text)
            got, answer, body = self.channel.receive()
        except Closed:
            self.outcome.end("runtime_error", "the program ended before the tests were through")
        except Malformed as error:
            self.outcome.end("runtime_error", "the program broke the channel: %s" % error)
        if got != number:
            self.outcome.end("runtime_error", "the program broke the channel: an answer nobody asked for")
        return answer, body

    def decode(self, body, count):
        try:
            return decode_frame(body, count, self.records)
        except Malformed as error:
            self.outcome.end("runtime_error", "the program broke the channel: %s" % error)

    def hello(self, names):
        answer, body = self.exchange(0, "hello", encode_frame([names, list(self.records)]))
        if answer == "e":
            self.end_by_exception(body)
        kinds, = self.decode(body, 1)
        if answer != "v" or type(kinds) is not list or len(kinds) != len(names):
            self.outcome.end("runtime_error", "the program broke the channel: no list of kinds")
        return dict(zip(names, kinds))

    def texts(self, body):
        texts = self.decode(body, 3)
        if any(type(text) is not str for text in texts):
            self.outcome.end("runtime_error", "the program broke the channel: an exception without a name")
        return texts

    def end_by_exception(self, body):
        _, name, text = self.texts(body)
        verdict = "memory_limit" if name == "MemoryError" else "runtime_error"
        self.outcome.end(verdict, "while loading: " + raised_reason(name, text))

    def call(self, name, args, kwargs):
        self.number += 1
        try:
            text = encode_frame([list(args), kwargs], self.records)
        except NotPlain as error:
            what, value = error.args
            if came_from_program(value, self.number):
                self.outcome.end("wrong_answer", "gave the tests something that is not plain data: they hand it back")
            raise DataError("the tests pass a %s, which needs inline mode" % what) from None
        answer, body = self.exchange(self.number, name, text)
        if answer == "v":
            value, changed = self.decode(body, 2)
            if changed is not None:
                self.carry_back(args, kwargs, changed)
            return value
        if answer == "h":
            return RemoteObject(self, str(self.decode(body, 1)[0]))
        if answer == "p":
            self.outcome.end("wrong_answer", "returned a %s, which is not plain data" % self.decode(body, 1)[0])
        if answer == "e":
            raise self.exception(body)
        self.outcome.end("runtime_error", "the program broke the channel: unknown answer")

    def exception(self, body):
        base, name, text = self.texts(body)
        kind = getattr(builtins, base, None)
        # StopIteration would end a map() or a for loop of the tests early, as if all had been said.
        if not (isinstance(kind, type) and issubclass(kind, Exception)) or issubclass(kind, (StopIteration, StopAsyncIteration)):
            self.outcome.end("runtime_error", raised_reason(base, text))
        try:
            error = kind(text)
        except TypeError:  # UnicodeDecodeError and its like want more arguments
            error = ValueError(text)
        self.raised.append((error, name, text))
        return error

    def carry_back(self, args, kwargs, changed):
        try:
            new_args, new_kwargs = changed
            for old, new in zip(args, new_args):
                update(old, new)
            for key, old in kwargs.items():
                update(old, new_kwargs[key])
        except (TypeError, ValueError, KeyError):
            self.outcome.end("runtime_error", "the program broke the channel: changed arguments of another shape")


def update(old, new):
    """Gives a mutable argument the content that the call left in it; lists keep the identity of their items."""
    if type(old) is not type(new):
        return
    if type(old) is list:
        for index, item in enumerate(new):
            if index < len(old) and type(old[index]) is type(item) and isinstance(item, (list, dict, set, bytearray)):
                update(old[index], item)
                new[index] = old[index]
        old[:] = new
    elif isinstance(old, dict):
        for key, item in new.items():
            if key in old and type(old[key]) is type(item) and isinstance(item, (list, dict, set, bytearray)):
                update(old[key], item)
                new[key] = old[key]
        old.clear()
        old.update(new)
    elif type(old) is set:
        old.clear()
        old.update(new)
    elif type(old) is bytearray:
        old[:] = new
    elif type(old).__name__ == "deque":
        old.clear()
        old.extend(new)
    elif hasattr(old, "__dict__"):
        old.__dict__.update(new.__dict__)


def came_from_program(value, number):
    """Whether an argument without a plain form may stem from an answer of the program's. It must not be able to make its
    own failure look like one of the tests."""
    if value is None:  # nested too deeply
        return number > 1
    return type(value) is RemoteObject or getattr(value, "__code__", None) is PROXY_CODE


class RemoteObject:
    """An instance that lives in the program's process."""

    def __init__(self, remote, handle):
        self.__dict__.update(_remote=remote, _handle=handle)

    def __getattr__(self, method):
        if method.startswith("__"):
            raise AttributeError(method)
        return proxy(self._remote, "%s.%s" % (self._handle, method))


def proxy(remote, name):
    def candidate(*args, **kwargs):
        return remote.call(name, args, kwargs)
    return candidate


PROXY_CODE = proxy(None, "").__code__


def names_in(code):
    """Every name that the code or its functions mention."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if hasattr(constant, "co_names"):
            names |= names_in(constant)
    return names


def compile_text(text, what):
    try:
        return compile(text, what, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise DataError("the %s do not compile: %s" % (what, error)) from None


def failed_line(error, text):
    """The line of the tests in which an exception passed."""
    line = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if frame.f_code.co_filename == "tests":
            line = number
    lines = text.split("\n")
    return "line %d: %s" % (line, lines[line - 1].strip()[:160]) if line and line <= len(lines) else ""


def judge(error, job, raised):
    """(verdict, reason) of an exception that left the tests."""
    for known, name, text in raised:
        if known is error:
            return "memory_limit" if name == "MemoryError" else "runtime_error", raised_reason(name, text)
    where = failed_line(error, job["tests"])
    if isinstance(error, AssertionError):
        text = str(error)[:160]
        return "wrong_answer", "assert failed" + (", " + where if where else "") + (" (%s)" % text if text else "")
    if isinstance(error, MemoryError):
        return "memory_limit", "the tests ran out of memory with what the program returned"
    return "wrong_answer", "the tests could not use the answer: %s: %s%s" % (
        type(error).__name__, str(error)[:160], ", " + where if where else "")


def add_names(remote, names, wanted, simple):
    """The program's names that the tests mention, as proxies or values."""
    kinds = remote.hello(wanted + [simple] if simple else wanted)
    if simple and kinds[simple] == "missing":
        remote.outcome.end("runtime_error", "the program defines no %s" % simple)
    for name in wanted:
        if kinds[name] in ("function", "class"):
            names[name] = proxy(remote, name)
        elif kinds[name] == "value":
            names[name] = remote.call(name, (), {})


def check_split(job, fd, outcome):
    tests = compile_text(job["tests"], "tests")
    names = {"__name__": "tests", "__builtins__": builtins}
    if job["setup"]:
        exec(compile_text(job["setup"], "setup"), names)
    records = {k: v for k, v in names.items() if isinstance(v, type) and v.__module__ == "tests"}
    entry = job["entry_point"]
    wanted = [n for n in sorted(names_in(tests)) if n not in names and not hasattr(builtins, n)]
    simple = entry.split("(")[0].split(".")[0]
    remote = Remote(Channel(fd, MAX_FRAME), outcome, records)
    try:
        add_names(remote, names, wanted, simple)
    except Ended:
        raise
    except MemoryError:
        outcome.end("memory_limit", "the tests ran out of memory with what the program sent")
    except BaseException as error:
        outcome.end("runtime_error", "the program broke the channel: %s" % type(error).__name__)
    for name in wanted:
        if name not in names and name in STANDARD_MODULES:  # tests that rely on an import of the program's
            names[name] = importlib.import_module(name)
    if entry and entry == simple:
        names[entry] = proxy(remote, entry)
    before = names.get("check")
    try:
        exec(tests, names)
        if entry and names.get("check") is not before:
            names["check"](proxy(remote, entry))
        elif remote.number == 0:
            raise DataError("the tests never called the program: name an entry point")
    except (DataError, Ended):
        raise
    except BaseException as error:
        outcome.end(*judge(error, job, remote.raised))
    if outcome.verdict is None:
        outcome.end("pass", "")


def check_inline(job, outcome):
    tests = compile_text(job["tests"], "tests")
    try:
        module = load_program(job["program"])
    except BaseException as error:
        _, name, text = describe(error)
        verdict = "memory_limit" if isinstance(error, MemoryError) else "runtime_error"
        outcome.end(verdict, "while loading: " + raised_reason(name, text))
    names = module.__dict__
    if job["setup"]:  # may use the program's classes; what both define is the program's
        both = dict(names)
        setup = compile_text(job["setup"], "setup")
        try:
            exec(setup, both)
        except BaseException as error:
            outcome.end("runtime_error", "the setup of the tests failed beside the program: " + raised_reason(*describe(error)[1:]))
        names.update((k, v) for k, v in both.items() if k not in names)
    entry = job["entry_point"]
    if entry and "(" not in entry and entry not in names:
        outcome.end("runtime_error", "the program defines no %s" % entry)
    before = names.get("check")
    try:
        exec(tests, names)
        if entry and names.get("check") is not before:
            names["check"](eval(entry, names))
    except SystemExit as error:
        outcome.end("runtime_error", raised_reason("SystemExit", describe(error)[2]))
    except BaseException as error:
        if any(f.f_code.co_filename == "candidate.py" for f, _ in traceback.walk_tb(error.__traceback__)):
            verdict = "memory_limit" if isinstance(error, MemoryError) else "runtime_error"
            outcome.end(verdict, raised_reason(*describe(error)[1:]))
        outcome.end(*judge(error, job, ()))
    outcome.end("pass", "")


def run_checker(payload, channel_fd, verdict_fd):
    """`payload`: JSON of {secret, tests, setup, entry_point} and, inline, {program}."""
    job = json.loads(payload)
    secret = job.pop("secret")
    outcome = Outcome()
    try:
        if channel_fd is None:
            check_inline(job, outcome)
        else:
            check_split(job, channel_fd, outcome)
    except Ended:
        pass
    except DataError as error:
        if outcome.verdict is None:
            outcome.verdict, outcome.reason = "sandbox_error", str(error)
    except BaseException as error:
        outcome.verdict, outcome.reason = "sandbox_error", "the checker failed: %s: %s" % (type(error).__name__, error)
    try:
        sys.stdout.flush()
    except BaseException:
        pass
    reason = outcome.reason[:600].encode("utf-8", "replace").decode()  # half of a surrogate pair is no JSON
    record = secret + json.dumps({"verdict": outcome.verdict, "reason": reason}) + "\n"
    data = record.encode("ascii", "replace")
    while data:
        data = data[os.write(verdict_fd, data):]
