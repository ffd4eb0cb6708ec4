"""The tests' side: runs the data set's tests with proxies that call the program in the other process.

The verdict goes to a pipe of its own, headed by the run's secret, after the tests have returned. In inline mode program
and tests share one module; then only exits, crashes and wrong answers are caught, not forgeries.
"""
import builtins
import collections
import importlib
import json
import os
import re
import sys
import traceback

from assay_candidate import describe, load_program
from assay_codec import MAX_FRAME, Channel, Closed, Encoder, Malformed, NotPlain, decode_values, encode_frame


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

    def __init__(self, channel, outcome, records, job):
        self.channel = channel
        self.outcome = outcome
        self.records = records
        self.entry = job["entry_point"]
        self.tests = job["tests"]
        self.number = 0
        self.raised = []
        self.objects_wanted = {}

    def exchange(self, number, word, text):
        try:
            self.channel.send(number, word, text)
            got, answer, body = self.channel.receive()
        except Closed:
            self.outcome.end("runtime_error", "the program ended before the tests were through")
        except Malformed as error:
            self.broken(error)
        if got != number:
            self.broken("an answer nobody asked for")
        return answer, body

    def broken(self, why):
        self.outcome.end("runtime_error", "the program broke the channel: %s" % why)

    def decode(self, body, count, seeds=None):
        try:
            return decode_values(body, count, self.records, seeds or ((), ()), with_changes=seeds is not None)[0]
        except Malformed as error:
            self.broken(error)

    def hello(self, names):
        answer, body = self.exchange(0, "hello", encode_frame([names, list(self.records)]))
        if answer == "e":
            self.end_by_exception(body)
        kinds, = self.decode(body, 1)
        if answer != "v" or type(kinds) is not list or len(kinds) != len(names):
            self.broken("no list of kinds")
        return dict(zip(names, kinds))

    def described(self, body):
        """[builtin type name, type name, text, args or None] of an exception."""
        described = self.decode(body, 4)
        if any(type(text) is not str for text in described[:3]) or type(described[3]) not in (list, type(None)):
            self.broken("an exception without a name")
        return described

    def end_by_exception(self, body):
        _, name, text, _ = self.described(body)
        verdict = "memory_limit" if name == "MemoryError" else "runtime_error"
        self.outcome.end(verdict, "while loading: " + raised_reason(name, text))

    def call(self, word, args, kwargs, due=False):
        """`due`: an object that comes back stands where plain data may be due."""
        self.number += 1
        encoder = Encoder(self.records, handle_of=handle_of)
        try:
            text = encoder.frame([list(args), kwargs])
        except NotPlain as error:
            what, value = error.args
            if came_from_program(value, self.number):
                self.outcome.end("wrong_answer", "gave the tests something that is not plain data: they hand it back")
            raise DataError("the tests pass a %s, which needs inline mode" % what) from None
        answer, body = self.exchange(self.number, word, text)
        if answer == "v":
            return self.decode(body, 1, (encoder.kept, encoder.waiting))[0]
        if answer == "m" and word[0] == "?":
            return proxy(self, word[1:], due)
        if answer == "h" and word[0] != "=":
            handle = self.number_in(body)
            if word[0] != "!" and not self.wants_objects(word):
                self.outcome.end("wrong_answer", "returned an object of its own where the tests want plain data")
            return RemoteObject(self, handle, due or word == self.entry)
        if answer == "p":
            self.outcome.end("wrong_answer", "returned a %s, which is not plain data" % self.decode(body, 1)[0])
        if answer == "b":
            self.outcome.end("runtime_error", "returned more than the %d MiB that cross to the tests: %d bytes" % (
                MAX_FRAME >> 20, self.number_in(body)))
        if answer == "e":
            raise self.exception(body)
        self.broken("unknown answer")

    def wants_objects(self, word):
        key = re.sub("[0-9]+", "0", word, count=1) if word[0] in "?0123456789" else word  # the same of any object
        if key not in self.objects_wanted:
            self.objects_wanted[key] = uses_objects(self.tests, word, word == self.entry)
        return self.objects_wanted[key]

    def number_in(self, body):
        number, = self.decode(body, 1)
        if type(number) is not int or number < 0:
            self.broken("no number")
        return number

    def exception(self, body):
        base, name, text, args = self.described(body)
        kind = getattr(builtins, base, None)
        known = isinstance(kind, type) and issubclass(kind, (Exception, SystemExit))
        # StopIteration would end a map() or a for loop of the tests early, as if all had been said.
        if not known or (issubclass(kind, (StopIteration, StopAsyncIteration)) and not expects_stop(self.tests)):
            self.outcome.end("runtime_error", raised_reason(base, text))
        error = make_exception(kind, (text,) if args is None else args)
        self.raised.append((error, name, text))
        return error


def make_exception(kind, args):
    try:
        return kind(*args)
    except Exception:  # a class of the program's made it from other arguments than its builtin base takes
        try:
            return kind.__new__(kind, *args)
        except Exception:
            return ValueError(*args)


def expects_stop(text):
    """Whether the line of the tests that is running lies in a try for StopIteration that nothing but plain calls stand in: no
    loop, no builtin that iterates."""
    import ast  # large, and seldom needed
    frame = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename != "tests":
        frame = frame.f_back
    if frame is None:
        return False
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Try) and node.body[0].lineno <= frame.f_lineno <= node.body[-1].end_lineno:
            caught = [name for handler in node.handlers if handler.type for name in ast.walk(handler.type)]
            if any(isinstance(name, ast.Name) and name.id == "StopIteration" for name in caught) and \
                    all(is_plain_step(ast, statement) for statement in node.body):
                return True
    return False


def is_plain_step(ast, statement):
    if not isinstance(statement, (ast.Expr, ast.Assign, ast.Assert, ast.Raise, ast.Pass)):
        return False
    for node in ast.walk(statement):
        if isinstance(node, (ast.comprehension, ast.Lambda, ast.Starred, ast.Yield, ast.YieldFrom, ast.Await)):
            return False
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and not hasattr(builtins, node.func.id)):
            return False
    return True


PLAIN_TYPES = (str, bytes, bytearray, list, tuple, dict, set, frozenset, int, float, complex, range, collections.deque,
               collections.Counter, collections.OrderedDict, collections.defaultdict)


def uses_objects(text, word, is_entry):
    """Whether what comes back for this word may be an object of a class of the program's: the tests ask it for attributes that no
    plain value has, or hand it back to the program, and nowhere take it as it comes for a number, a text, a container or a truth
    value. An object that stands for plain data could say of itself whatever the tests want to hear."""
    import ast
    tree = ast.parse(text)
    is_result = results_of(ast, tree, word, is_entry)
    variables = set()

    def bind(target, value):
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            for one, its_value in zip(target.elts, value.elts):
                bind(one, its_value)
        elif isinstance(target, ast.Name) and value is not None and is_result(value):
            variables.add(target.id)

    for node in ast.walk(tree):
        for target in getattr(node, "targets", [getattr(node, "target", None)]):
            bind(target, getattr(node, "value", None))
    as_data = (ast.Compare, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Assert, ast.If, ast.While, ast.IfExp, ast.Subscript, ast.Starred,
               ast.For, ast.comprehension, ast.FormattedValue)
    functions = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    asked, to_function, handed_back = set(), False, False
    for node in ast.walk(tree):
        to_name = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        to_builtin = to_name and hasattr(builtins, node.func.id)
        if (isinstance(node, as_data) or to_builtin) and any(map(is_result, ast.iter_child_nodes(node))):
            return False
        if isinstance(node, ast.Attribute) and (is_result(node.value) or isinstance(node.value, ast.Name) and node.value.id in variables):
            asked.add(node.attr)
        if isinstance(node, ast.Call) and any(is_result(arg) or isinstance(arg, ast.Name) and arg.id in variables for arg in node.args):
            to_function = to_function or to_name and node.func.id in functions
            of_a_result = isinstance(node.func, ast.Attribute) and root_name(ast, node.func) is None
            handed_back = handed_back or of_a_result or to_name and not to_builtin and node.func.id not in functions
    if to_function:  # which names it there is not followed
        asked |= attributes_in(ast, tree)
    if handed_back or asked and word[:1].isupper():
        return True
    return any(not any(hasattr(kind, name) for kind in PLAIN_TYPES) for name in asked)


def results_of(ast, tree, word, is_entry):
    """Tells whether a node of the tests is what comes back for the word: a call by a name or of a method, or an attribute."""
    last = word.rpartition(".")[2]
    if word[0] == "?":
        called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
        return lambda node: isinstance(node, ast.Attribute) and node.attr == last and id(node) not in called
    if word[0].isdigit():
        return lambda node: isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == last
    names = {word}
    if is_entry:
        names |= {a.arg for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and f.name == "check" for a in f.args.args}
    return lambda node: isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names


def attributes_in(ast, tree):
    """Those that the tests ask for of anything but modules and what these have made."""
    others = set(STANDARD_MODULES) | {"self"}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            others |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and root_name(ast, node.value.func) in others:
            others |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and root_name(ast, node) not in others}


def root_name(ast, node):
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        node = node.value
    return node.id if isinstance(node, ast.Name) else None


def handle_of(value):
    return value.__dict__["_handle"] if type(value) is RemoteObject else None


def came_from_program(value, number):
    """Whether an argument without a plain form may stem from an answer of the program's. It must not be able to make its
    own failure look like one of the tests."""
    if value is None:  # nested too deeply
        return number > 1
    return getattr(value, "__code__", None) is PROXY_CODE


class RemoteObject:
    """An instance that lives in the program's process. How it compares with plain data is not asked, as it could say anything;
    nor is its truth value where it is `due`: it came from the entry point, or from such an object."""

    def __init__(self, remote, handle, due):
        self.__dict__.update(_remote=remote, _handle=handle, _due=due)

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return self._remote.call("?%d.%s" % (self._handle, name), (), {}, self._due)

    def __setattr__(self, name, value):
        operate("setattr", self, name, value)


def operate(name, subject, *args, **kwargs):
    return subject.__dict__["_remote"].call("!" + name, (subject,) + args, kwargs, subject.__dict__["_due"])


def forward(name):
    return lambda self, *args, **kwargs: operate(name, self, *args, **kwargs)


def forward_reversed(name):
    return lambda self, other: operate(name, other, self) if type(other) is RemoteObject else \
        self.__dict__["_remote"].call("!" + name, (other, self), {}, self.__dict__["_due"])


def decide(name):
    def method(self, *others):
        # Of the truth of an object that stays on its own the tests may ask: a list's end is None.
        asks_itself = bool(others) or self.__dict__["_due"]
        if asks_itself and not any(type(other) is RemoteObject for other in others):
            self.__dict__["_remote"].outcome.end(
                "wrong_answer", "returned an object of its own where the tests want plain data; tests of a class that rest on "
                "its own comparisons need inline mode")
        return operate(name, self, *others)
    return method


for _name in "len getitem setitem delitem contains str repr hash int float call".split():
    setattr(RemoteObject, "__%s__" % _name, forward(_name))
RemoteObject.__iter__ = lambda self: iter(operate("iter", self))
for _name in "eq ne lt le gt ge bool".split():
    setattr(RemoteObject, "__%s__" % _name, decide(_name))
for _name in "add sub mul truediv floordiv mod pow matmul and_ or_ xor".split():
    setattr(RemoteObject, "__%s__" % _name.strip("_"), forward(_name))
    setattr(RemoteObject, "__r%s__" % _name.strip("_"), forward_reversed(_name))
for _name in "neg pos abs invert".split():
    setattr(RemoteObject, "__%s__" % _name, forward(_name))


def proxy(remote, name, due=False):
    def candidate(*args, **kwargs):
        return remote.call(name, args, kwargs, due)
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
        text = text_of(error)
        return "wrong_answer", "assert failed" + (", " + where if where else "") + (" (%s)" % text if text else "")
    if isinstance(error, MemoryError):
        return "memory_limit", "the tests ran out of memory with what the program returned"
    return "wrong_answer", "the tests could not use the answer: %s: %s%s" % (
        type(error).__name__, text_of(error), ", " + where if where else "")


def text_of(error):
    """What an exception says; what the program has returned may be in it, and refuse to be printed."""
    try:
        return str(error)[:160]
    except Ended:
        raise
    except BaseException:
        return "(what it says cannot be printed)"


def add_names(remote, names, wanted, simple):
    """The program's names that the tests mention, as proxies or values."""
    kinds = remote.hello(wanted + [simple] if simple else wanted)
    if simple and kinds[simple] == "missing":
        remote.outcome.end("runtime_error", "the program defines no %s" % simple)
    for name in wanted:
        if kinds[name] in ("function", "class"):
            names[name] = proxy(remote, name)
        elif kinds[name] == "value":
            names[name] = remote.call("=" + name, (), {})
    return kinds


def check_split(job, fd, outcome):
    tests = compile_text(job["tests"], "tests")
    names = {"__name__": "tests", "__builtins__": builtins}
    if job["setup"]:
        exec(compile_text(job["setup"], "setup"), names)
    records = {k: v for k, v in names.items() if isinstance(v, type) and v.__module__ == "tests"}
    entry = job["entry_point"]
    wanted = [n for n in sorted(names_in(tests)) if n not in names and not hasattr(builtins, n)]
    simple = entry.split("(")[0].split(".")[0]
    remote = Remote(Channel(fd, MAX_FRAME), outcome, records, job)
    try:
        kinds = add_names(remote, names, wanted, simple)
    except Ended:
        raise
    except MemoryError:
        outcome.end("memory_limit", "the tests ran out of memory with what the program sent")
    except BaseException as error:
        outcome.end("runtime_error", "the program broke the channel: %s" % type(error).__name__)
    for name in wanted:
        if name not in names and name in STANDARD_MODULES:  # tests that rely on an import of the program's
            try:
                names[name] = importlib.import_module(name)
            except Exception:  # the tests may name something of theirs like a module that is not for this system
                pass
    if entry and entry == simple:
        names[entry] = proxy(remote, entry)
    before = names.get("check")
    checking = False
    try:
        exec(tests, names)
        if entry and names.get("check") is not before:
            checking = True
            names["check"](proxy(remote, entry))
        elif remote.number == 0:
            raise DataError("the tests never called the program: name an entry point")
    except (DataError, Ended):
        raise
    except BaseException as error:
        if remote.number == 0:
            blame_tests(error, job, outcome, kinds, checking or not entry or "check" not in tests.co_names)
        outcome.end(*judge(error, job, remote.raised))
    if outcome.verdict is None:
        outcome.end("pass", "")


def blame_tests(error, job, outcome, kinds, program_owes_names):
    """What fails before anything was asked of the program is the data's fault, but for a name that it was to define."""
    name = re.search("name '(.*?)'", text_of(error)) if isinstance(error, NameError) else None
    if name and program_owes_names and kinds.get(name[1]) == "missing":
        outcome.end("runtime_error", "the program defines no %s" % name[1])
    where = failed_line(error, job["tests"])
    raise DataError("the tests failed before they asked anything of the program: %s: %s%s" % (
        type(error).__name__, text_of(error), ", " + where if where else "")) from None


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
