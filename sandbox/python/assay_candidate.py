"""The program's side: loads the program as a module and answers calls, one at a time, until the channel closes.

Nothing here is trusted: it shares its process with the program. Requests and answers (assay_codec has the frames):
  0 hello [names, record names]         -> 0 v [kinds]     one a name: "function" "class" "method" "value" (plain) "missing"
  n <name> [args, kwargs]               -> n v [value, changed]   changed: [args, kwargs] where the call changed them
  n <handle>.<method> [args, kwargs]    -> n h [handle]    an instance of a class of the program, kept here
                                        -> n e [builtin type name, type name, text]    it raised
                                        -> n p [type name]        it returned something that is not plain
"""
import builtins
import re
import sys
import types

from assay_codec import Channel, Closed, NotPlain, decode_frame, encode_frame

PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
UNCHANGING = frozenset((type(None), bool, int, float, complex, str, bytes))
METHOD = re.compile(r"(\w+)\(\)\.(\w+)")


def load_program(source):
    """The program as a module that is not __main__; raises what it raises."""
    module = types.ModuleType("candidate")
    module.__file__ = "candidate.py"
    sys.modules["candidate"] = module
    exec(compile(source, "candidate.py", "exec", dont_inherit=True), module.__dict__)
    return module


def builtin_name(kind):
    """Name of the nearest builtin exception among a class's bases."""
    for base in type.__dict__["__mro__"].__get__(kind):
        if getattr(builtins, base.__name__, None) is base:
            return base.__name__
    return "Exception"


def describe(error):
    """[builtin type name, type name, text] of an exception; the program's own __str__ may misbehave."""
    if isinstance(error, SystemExit):
        text = repr(error.code) if isinstance(error.code, (int, str, type(None))) else ""
    else:
        try:
            text = str(error)
        except BaseException:
            text = ""
    if type(text) is not str:
        text = ""
    return [builtin_name(type(error)), type(error).__name__, text[:300]]


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BaseException:
            pass


class Server:
    def __init__(self, channel, module):
        self.channel = channel
        self.names = module.__dict__
        self.records = {}
        self.handles = []

    def kind(self, name):
        value = self.names.get(name, self)
        if value is self:
            solution = self.names.get("Solution")
            return "method" if isinstance(solution, type) and hasattr(solution, name) else "missing"
        if isinstance(value, type):
            return "class"
        if callable(value):
            return "function"
        return "value" if isinstance(value, PLAIN) else "missing"

    def hello(self, text):
        names, records = decode_frame(text, 2)
        for name in records:
            if isinstance(self.names.get(name), type):
                self.records[name] = self.names[name]
        self.channel.send(0, "v", encode_frame([[self.kind(name) for name in names]]))

    def target(self, name):
        if name[:1].isdigit():
            handle, _, method = name.partition(".")
            return getattr(self.handles[int(handle)], method)
        method = METHOD.fullmatch(name)
        if method:
            return getattr(self.names[method[1]](), method[2])
        if name not in self.names and self.kind(name) == "method":
            return getattr(self.names["Solution"](), name)
        return self.names[name]

    def call(self, number, name, text):
        try:
            args, kwargs = decode_frame(text, 2, self.records)
            target = self.target(name)
            value = target(*args, **kwargs) if callable(target) else target
        except BaseException as error:
            flush()
            self.channel.send(number, "e", encode_frame(describe(error)))
            return
        flush()
        try:
            changed = None
            if not UNCHANGING.issuperset(map(type, args)) or not UNCHANGING.issuperset(map(type, kwargs.values())):
                after = encode_frame([args, kwargs], self.records)
                if after.encode() != text:
                    changed = [args, kwargs]
            self.channel.send(number, "v", encode_frame([value, changed], self.records))
        except NotPlain as error:
            if isinstance(target, type) and isinstance(value, target):
                self.handles.append(value)
                self.channel.send(number, "h", encode_frame([len(self.handles) - 1]))
            else:
                self.channel.send(number, "p", encode_frame([error.args[0]]))

    def serve(self):
        try:
            while True:
                number, word, text = self.channel.receive()
                if number == 0:
                    self.hello(text)
                else:
                    self.call(number, word, text)
        except Closed:
            pass


def run_candidate(source, fd):
    channel = Channel(fd)
    try:
        module = load_program(source)
    except BaseException as error:
        flush()
        try:
            channel.receive()
            channel.send(0, "e", encode_frame(describe(error)))
        except Closed:
            pass
        return
    flush()
    Server(channel, module).serve()
