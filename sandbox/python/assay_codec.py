"""Plain values as JSON text and back, and the frames that carry them between program and tests.

Values: None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, defaultdict, OrderedDict, range,
deque, Counter, Fraction, Decimal, and records: instances of the classes that the data set's own text defines (ListNode, ...). A
subclass of a plain type travels as that type, by the type's own methods, so that nothing the program overrides is believed.

JSON: null, booleans, small integers, finite floats, strings and lists stand for themselves; all else is an object of one
member, its tag:
  i hex  f name  s code points  c [re, im]  b hex  B hex  t S F [items]  d C O [[key, value]...]  r [start, stop, step]
  e [factory, [[key, value]...]]  q [items, maxlen]  R [numerator, denominator]  D text  o index of a record in the frame's list
  @ number of a mutable container met before  h number of an object that lives with the program (to the program only)
Mutable containers are numbered as they are met, each before its content, those inside records apart: what is one object on one
side is one on the other. In an answer the numbers begin with the containers of the call's arguments.
Encoding happens in the untrusted process, so only the decoder is trusted: it makes nothing but these types.

A frame is a length (4 bytes, big-endian), then "<call number> <word>\n", then one JSON text: a list of values and, last, the
records: [number of the first, [[class, [[field, value]...]]...]].
"""
import collections
import json
import math
import os

MAX_DEPTH = 200
MAX_FRAME = 16 << 20
SMALL = 1 << 62
SCALARS = (type(None), bool, str, int, float)


class NotPlain(Exception):
    """A value has no plain form; args: its type's name and, where it is not its depth that is in the way, itself."""


class Malformed(Exception):
    """What came over the channel is no frame, or no value."""


class Closed(Exception):
    """The other side is gone."""


dumps = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode


MUTABLE = frozenset((list, dict, set, bytearray, collections.deque, collections.Counter, collections.OrderedDict, collections.defaultdict))
FACTORIES = {kind.__name__: kind for kind in (int, float, bool, str, list, tuple, set, dict, bytes, frozenset)}


class Encoder:
    """Turns values into JSON-ready ones.

    records: names of classes whose instances may cross. seeds: the mutable containers and the records that the other side
    has already, each in its order; the frame's own are added to `kept` and `waiting`. handle_of: number of an object that
    lives with the program, or None."""

    def __init__(self, records=(), seeds=((), ()), handle_of=None):
        self.records = records
        self.handle_of = handle_of
        self.kept = list(seeds[0])
        self.known = {id(value): number for number, value in enumerate(self.kept)}
        self.waiting = list(seeds[1])
        self.places = {id(value): number for number, value in enumerate(self.waiting)}
        self.first = len(self.waiting)
        self.tracking = True

    def frame(self, values, seeds_changed=False):
        """JSON text. With `seeds_changed` one value more: the present content of each seed."""
        count = len(self.kept)
        encoded = [self.encode(v) for v in values]
        if seeds_changed:
            encoded.append([self.content(v) for v in self.kept[:count]])
            self.first = 0
        encoded.append([self.first, self.finish()])
        return dumps(encoded)

    def meet(self, value):
        """Number of a mutable container that has been met before."""
        if not self.tracking:
            return None
        number = self.known.get(id(value))
        if number is None:
            self.known[id(value)] = len(self.kept)
            self.kept.append(value)
        return number

    def encode(self, value, depth=0):
        kind = type(value)
        if kind is int:
            return value if -SMALL < value < SMALL else {"i": hex(value)}
        if kind is str:
            return value if value.isascii() else encode_text(value)
        if kind is bool or value is None:
            return value
        if kind is float:
            return value if math.isfinite(value) else {"f": repr(value)}
        if kind is list:
            number = self.meet(value)
            if number is not None:
                return {"@": number}
            if depth > MAX_DEPTH:
                raise NotPlain("value nested deeper than %d" % MAX_DEPTH, None)
            return self.items(value, depth)
        if depth > MAX_DEPTH:
            raise NotPlain("value nested deeper than %d" % MAX_DEPTH, None)
        return self.tagged(value, kind, depth)

    def items(self, values, depth):
        kinds = set(map(type, values))
        if kinds <= {int}:
            if not values or (-SMALL < min(values) and max(values) < SMALL):
                return list(values)
        elif kinds <= {float} and all(map(math.isfinite, values)):
            return list(values)
        return [self.encode(v, depth + 1) for v in values]

    def pairs(self, items, depth):
        return [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in items]

    def content(self, value):
        """Of a container that the decoder made."""
        if isinstance(value, dict):
            return self.pairs(ordered_items(value), 0)
        if isinstance(value, bytearray):
            return value.hex()
        return self.items(list(value), 0)

    def tagged(self, value, kind, depth):
        for base in type.__dict__["__mro__"].__get__(kind):
            if base in MUTABLE:
                number = self.meet(value)
                return {"@": number} if number is not None else self.container(value, base, depth)
            if base is tuple:
                return {"t": self.items(list(tuple.__iter__(value)), depth)}
            if base is frozenset:
                return {"F": self.items(list(frozenset.__iter__(value)), depth)}
            if base is str:
                return self.encode(str.__str__(value), depth)
            if base is bool:
                return bool.__bool__(value) if hasattr(bool, "__bool__") else value
            if base is int:
                return self.encode(int.__index__(value), depth)
            if base is float:
                return self.encode(float.__float__(value), depth)
            if base is complex:
                return {"c": [self.encode(complex.real.__get__(value)), self.encode(complex.imag.__get__(value))]}
            if base is bytes:
                return {"b": bytes.hex(value)}
            if base is range:
                return {"r": [self.encode(v) for v in (value.start, value.stop, value.step)]}
            if base.__module__ == "fractions" and base.__name__ == "Fraction":
                return {"R": [self.encode(value.numerator), self.encode(value.denominator)]}
            if base.__module__ == "decimal" and base.__name__ == "Decimal":
                return {"D": base.__str__(value)}
            if base.__name__ in self.records:
                return self.record(value)
        handle = self.handle_of(value) if self.handle_of else None
        if handle is not None:
            return {"h": handle}
        raise NotPlain(kind.__name__, value)

    def container(self, value, base, depth):
        if base is list:
            return self.items(list(list.__iter__(value)), depth)
        if base is set:
            return {"S": self.items(list(set.__iter__(value)), depth)}
        if base is bytearray:
            return {"B": bytearray.hex(value)}
        if base is collections.deque:
            return {"q": [self.items(list(collections.deque.__iter__(value)), depth), collections.deque.maxlen.__get__(value)]}
        if base is collections.Counter:
            return {"C": self.pairs(dict.items(value), depth)}
        if base is collections.OrderedDict:
            return {"O": self.pairs(ordered_items(value), depth)}
        if base is collections.defaultdict:
            factory = collections.defaultdict.default_factory.__get__(value)
            for name, known in FACTORIES.items():
                if factory is known:
                    return {"e": [name, self.pairs(dict.items(value), depth)]}
        return {"d": self.pairs(dict.items(value), depth)}

    def record(self, value):
        place = self.places.get(id(value))
        if place is None:
            place = self.places[id(value)] = len(self.waiting)
            self.waiting.append(value)
        return {"o": place}

    def finish(self):
        """The records from `first` on, with their fields. A loop, not a recursion: a linked list may be long."""
        self.tracking = False
        objects, done = [], self.first
        while done < len(self.waiting):
            value = self.waiting[done]
            name = next(base.__name__ for base in type.__dict__["__mro__"].__get__(type(value)) if base.__name__ in self.records)
            objects.append([name, self.pairs(dict.items(vars(value)), 0)])
            done += 1
        return objects


def ordered_items(table):
    """Of a dict of any kind, in its own order: an OrderedDict's is not the one that dict sees."""
    return collections.OrderedDict.items(table) if isinstance(table, collections.OrderedDict) else dict.items(table)


def encode_text(text):
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:  # JSON would join two lone surrogates
        return {"s": [ord(c) for c in text]}


def encode_frame(values, records=()):
    """JSON text of a list of values and the records in them."""
    return Encoder(records).frame(values)


def fraction(pair):
    import fractions
    return fractions.Fraction(*pair)


def decimal(text):
    import decimal as module
    return module.Decimal(text)


class Decoder:
    """The other end of an Encoder: `kept` and `made` are its containers and records in the same order. Instances are made
    without calling anything of theirs. handles: the objects that live here, by number; None: no such values."""

    def __init__(self, records, objects, seeds=((), ()), handles=None):
        first, entries = objects
        self.kept = list(seeds[0])
        self.made = list(seeds[1])
        self.handles = handles
        self.tracking = False
        if type(first) is not int or not 0 <= first <= len(self.made):
            raise Malformed("no such record")
        for number, (name, _) in enumerate(entries, first):
            if name not in records:
                raise Malformed("no record class %r" % (name,))
            if number >= len(self.made):
                self.made.append(object.__new__(records[name]))
        for number, (_, fields) in enumerate(entries, first):
            table = {self.text(key): self.decode(value) for key, value in fields}
            self.made[number].__dict__.clear()
            self.made[number].__dict__.update(table)
        self.tracking = True

    @staticmethod
    def text(value):
        if type(value) is not str:
            raise Malformed("not a name")
        return value

    def keep(self, container):
        if self.tracking:
            self.kept.append(container)
        return container

    def decode(self, value, depth=0):
        kind = type(value)
        if kind is list:
            out = self.keep([])
            out += self.items(value, depth)
            return out
        if kind is not dict:
            return value
        if len(value) != 1:
            raise Malformed("an object of several members")
        (tag, body), = value.items()
        return self.tagged(tag, body, depth)

    def items(self, body, depth):
        if type(body) is not list:
            raise Malformed("not a list")
        if depth > 2 * MAX_DEPTH:
            raise Malformed("nested too deeply")
        return [v if type(v) in SCALARS else self.decode(v, depth + 1) for v in body]

    def pairs(self, body, depth):
        if type(body) is not list or depth > 2 * MAX_DEPTH:
            raise Malformed("no list of pairs")
        return [(self.decode(k, depth + 1), self.decode(v, depth + 1)) for k, v in body]

    def fill(self, container, body, depth=0):
        """Gives a container of this side the content that the other side sent."""
        if isinstance(container, dict):
            pairs = self.pairs(body, depth)
            container.clear()
            for key, value in pairs:
                container[key] = value
        elif isinstance(container, bytearray):
            container[:] = bytes.fromhex(body)
        else:
            items = self.items(body, depth)
            container.clear()
            (container.update if isinstance(container, set) else container.extend)(items)
        return container

    def tagged(self, tag, body, depth):
        if tag == "i":
            return int(body, 16)
        if tag == "f":
            return float({"nan": "nan", "inf": "inf", "-inf": "-inf"}[body])
        if tag == "s":
            return "".join(map(chr, body))
        if tag == "b":
            return bytes.fromhex(body)
        if tag == "D":
            return decimal(self.text(body))
        if tag == "o":
            return self.made[self.place(body)]
        if tag == "@":
            return self.kept[self.place(body)]
        if tag == "h" and self.handles is not None:
            return self.handles[self.place(body)]
        if tag == "B":
            return self.fill(self.keep(bytearray()), body, depth)
        if tag == "S":
            return self.fill(self.keep(set()), body, depth)
        if tag == "d":
            return self.fill(self.keep({}), body, depth)
        if tag == "C":
            return self.fill(self.keep(collections.Counter()), body, depth)
        if tag == "O":
            return self.fill(self.keep(collections.OrderedDict()), body, depth)
        if tag == "e":
            return self.fill(self.keep(collections.defaultdict(FACTORIES[body[0]])), body[1], depth)
        if tag == "q":
            return self.fill(self.keep(collections.deque(maxlen=body[1])), body[0], depth)
        items = self.items(body, depth)
        if tag == "t":
            return tuple(items)
        if tag == "F":
            return frozenset(items)
        if tag == "c":
            return complex(*items)
        if tag == "r":
            return range(*items)
        if tag == "R":
            return fraction(items)
        raise Malformed("unknown tag %r" % (tag,))

    @staticmethod
    def place(value):
        if type(value) is not int or value < 0:
            raise Malformed("no place")
        return value


def decode_values(text, count, records=None, seeds=((), ()), handles=None, with_changes=False):
    """(the `count` values of a frame's JSON text, the decoder that has its containers and records). `with_changes`: one value
    more may follow, what the seeds contain now; they get it. Raises Malformed for anything that no encoder makes."""
    try:
        values = json.loads(text)
        if type(values) is not list or type(values[-1]) is not list:
            raise Malformed("no list of values")
        changes = None
        if with_changes and len(values) == count + 2:
            changes = values[count]
        elif len(values) != count + 1:
            raise Malformed("not a list of %d values" % count)
        decoder = Decoder(records or {}, values[-1], seeds, handles)
        if b"{" not in text and changes is None and handles is None:
            return values[:count], decoder
        out = [decoder.decode(v) for v in values[:count]]
        if changes is not None:
            if type(changes) is not list or len(changes) != len(seeds[0]):
                raise Malformed("changed arguments of another shape")
            for container, content in zip(seeds[0], changes):
                decoder.fill(container, content)
        return out, decoder
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError, OverflowError) as e:
        raise Malformed("%s: %s" % (type(e).__name__, str(e)[:100])) from None


def decode_frame(text, count, records=None):
    return decode_values(text, count, records)[0]


class Channel:
    """Frames over a stream socket. `limit`: the largest frame that is taken from the other side."""

    def __init__(self, fd, limit=None):
        self.fd = fd
        self.limit = limit
        self.buffer = b""

    def send(self, number, word, text):
        payload = b"%d %s\n%s" % (number, word.encode("utf-8", "surrogatepass"), text.encode("ascii"))
        data = len(payload).to_bytes(4, "big") + payload
        try:
            sent = os.write(self.fd, data)
            while sent < len(data):
                data = memoryview(data)[sent:]
                sent = os.write(self.fd, data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed() from None

    def receive(self):
        """(number, word, text). Raises Closed, or Malformed."""
        self.fill(4)
        size = int.from_bytes(self.buffer[:4], "big")
        if self.limit is not None and size > self.limit:
            raise Malformed("a frame of %d bytes" % size)
        self.fill(4 + size)
        payload, self.buffer = self.buffer[4:4 + size], self.buffer[4 + size:]
        head, _, text = payload.partition(b"\n")
        number, _, word = head.partition(b" ")
        if not number.isdigit() or len(number) > 18:
            raise Malformed("no call number")
        return int(number), word.decode("utf-8", "replace"), text

    def fill(self, size):
        if len(self.buffer) >= size:
            return
        parts, have = [self.buffer], len(self.buffer)
        while have < size:
            try:
                part = os.read(self.fd, 1 << 16 if size - have < 1 << 16 else 1 << 20)
            except ConnectionResetError:
                part = b""
            if not part:
                raise Closed()
            parts.append(part)
            have += len(part)
        self.buffer = b"".join(parts)
