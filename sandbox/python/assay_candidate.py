"""The program's side: loads the program as a module and answers calls, one at a time, until the channel closes.

Nothing here is trusted: it shares its process with the program. Requests and answers (assay_codec has the frames):
  0 hello [names, record names]         -> 0 v [kinds]     one a name: "function" "class" "method" "value" (plain) "missing"
  n <name> [args, kwargs]               -> n v [value]     and what the arguments' containers hold now, where that changed
  n <handle>.<method> [args, kwargs]    -> n h [handle]    an instance of a class of the program, kept here
  n =<name> [[], {}]                       a value of the program's, not called
  n ?<handle>.<name> [[], {}]           -> n m []          the attribute can be called; else as above
  n !<operator> [[handle, ...], {}]     -> n e [builtin type name, type name, text, args or null]    it raised
                                        -> n p [type name]    it returned something that is not plain
                                        -> n b [bytes]        it returned more than crosses
"""
import builtins
import operator
import re
import sys
import types
from os import _exit, getpid

from assay_codec import MAX_FRAME, Channel, Closed, Encoder, NotPlain, decode_values, decode_frame, encode_frame

PLAIN = (type(None), bool, int, float, complex, str, bytes, list, tuple, dict, set, frozenset)
METHOD = re.compile(r"(\w+)\(\)\.(\w+)")
HEAD_BYTES = 64  # more than a frame's head takes

# What tests do with an object of the program's beside calling its methods.
OPERATORS = {name: getattr(operator, name) for name in (
    "getitem setitem delitem contains eq ne lt le gt ge add sub mul truediv floordiv mod pow neg pos abs and_ or_ xor invert "
    "matmul").split()}
OPERATORS.update(len=len, iter=list, str=str, repr=repr, hash=hash, bool=bool, int=int, float=float, call=lambda o, *a, **k: o(*a, **k),
                 setattr=setattr)


def load_program(source):
    """The program as a module that is not __main__; raises what it raises."""
    module = types.ModuleType("candidate")
    module.__file__ = "candidate.py"
    module.__builtins__ = vars(builtins)  # this file's own are a copy, which the program can't change
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


def arguments_of(error):
    """What the exception was made with; an error of the system with its file's name."""
    args = BaseException.args.__get__(error)
    if isinstance(error, OSError) and len(args) == 2:
        name = OSError.filename.__get__(error)
        if name is not None:
            args += (name,)
    return list(args)


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
        self.pid = getpid()
        self.records = {}
        self.handles = []
        self.places = {}  # number of a handle by id
        self.may_stay = False  # whether the value of the call may be an object that stays here

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
        head, *rest = name.split(".")
        value = self.names[head]
        for attribute in rest:
            value = getattr(value, attribute)
        return value

    def perform(self, word, args, kwargs):
        """(the answer's letter, its value)."""
        if word[0] == "=":
            return "v", self.names[word[1:]]
        if word[0] == "?":
            value = self.target(word[1:])
            self.may_stay = True
            return "m" if callable(value) else "v", value
        target = OPERATORS[word[1:]] if word[0] == "!" else self.target(word)
        value = target(*args, **kwargs)
        made_here = isinstance(target, type) and isinstance(value, target) and word[0] != "!"
        self.may_stay = made_here or word[0] == "!" or word[:1].isdigit()
        return "v", value

    def handle_of(self, value):
        return self.places.get(id(value))

    def keep(self, value):
        """Number of an object that stays here."""
        place = self.places.setdefault(id(value), len(self.handles))
        if place == len(self.handles):
            self.handles.append(value)
        return place

    def send(self, number, letter, text):
        if len(text) > MAX_FRAME - HEAD_BYTES:
            letter, text = "b", encode_frame([len(text)])
        self.channel.send(number, letter, text)

    def stop_child(self, status):
        """A process that the program has forked does not answer for it."""
        if getpid() != self.pid:
            flush()
            _exit(status)

    def send_exception(self, number, error):
        described = describe(error)
        try:
            text = Encoder(self.records).frame(described + [arguments_of(error)])
        except NotPlain:
            text = encode_frame(described + [None])
        if len(text) > MAX_FRAME // 16:
            text = encode_frame(described + [None])
        self.send(number, "e", text)

    def call(self, number, word, text):
        self.may_stay = False
        try:
            (args, kwargs), decoder = decode_values(text, 2, self.records, handles=self.handles)
            letter, value = self.perform(word, args, kwargs)
        except BaseException as error:
            code = error.code if isinstance(error, SystemExit) else 1
            self.stop_child(code & 255 if isinstance(code, int) else int(code is not None))
            flush()
            self.send_exception(number, error)
            return
        self.stop_child(0)
        flush()
        if letter == "m":
            self.send(number, "m", encode_frame([]))
            return
        try:
            # The first two containers are those of the call itself.
            mutable = len(decoder.kept) > 2 or decoder.made
            changed = mutable and Encoder(self.records, handle_of=self.handle_of).frame([args, kwargs]).encode() != text
            seeds = (decoder.kept, decoder.made) if mutable else ((), ())
            self.send(number, "v", Encoder(self.records, seeds, self.handle_of if changed else None).frame([value], bool(changed)))
        except NotPlain as error:
            if self.may_stay and type(value).__module__ == "candidate":
                self.send(number, "h", encode_frame([self.keep(value)]))
            else:
                self.send(number, "p", encode_frame([error.args[0]]))

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
    pid = getpid()
    try:
        module = load_program(source)
    except BaseException as error:
        flush()
        if getpid() != pid:
            _exit(1)
        try:
            channel.receive()
            channel.send(0, "e", encode_frame(describe(error) + [None]))
        except Closed:
            pass
        return
    flush()
    if getpid() != pid:
        _exit(0)
    Server(channel, module).serve()
