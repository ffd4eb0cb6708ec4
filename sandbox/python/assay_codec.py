"""Plain values as JSON text and back, and the frames that carry them between program and tests.

Values: None, bool, int, float, complex, str, bytes, bytearray, list, tuple, set, frozenset, dict, range, deque, Counter,
Fraction, Decimal, and records: instances of the classes that the data set's own text defines (ListNode, ...). A subclass
of a plain type travels as that type, by the type's own methods, so that nothing the program overrides is believed.

JSON: null, booleans, small integers, finite floats, strings and lists stand for themselves; all else is an object of one
member, its tag:
  i hex  f name  s code points  c [re, im]  b hex  B hex  t S F [items]  d C [[key, value]...]  r [start, stop, step]
  q [items, maxlen]  R [numerator, denominator]  D text  o index of a record in the frame's list
Encoding happens in the untrusted process, so only the decoder is trusted: it makes nothing but these types.

A frame is a length (4 bytes, big-endian), then "<call number> <word>\n", then one JSON text.
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


class Encoder:
    """Turns values into JSON-ready ones; `records` maps class names to themselves, `objects` collects records met."""

    def __init__(self, records=()):
        self.records = records
        self.objects = []
        self.places = {}
        self.waiting = []

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
        if depth > MAX_DEPTH:
            raise NotPlain("value nested deeper than %d" % MAX_DEPTH, None)
        if kind is list:
            return self.items(value, depth)
        return self.tagged(value, kind, depth)

    def items(self, values, depth):
        kinds = set(map(type, values))
        if kinds <= {int}:
            if not values or (-SMALL < min(values) and max(values) < SMALL):
                return list(values)
        elif kinds <= {float} and all(map(math.isfinite, values)):
            return list(values)
        return [self.encode(v, depth + 1) for v in values]

    def pairs(self, table, depth):
        return [[self.encode(k, depth + 1), self.encode(v, depth + 1)] for k, v in dict.items(table)]

    def tagged(self, value, kind, depth):
        for base in type.__dict__["__mro__"].__get__(kind):
            if base is tuple:
                return {"t": self.items(list(tuple.__iter__(value)), depth)}
            if base is collections.Counter:
                return {"C": self.pairs(value, depth)}
            if base is dict:
                return {"d": self.pairs(value, depth)}
            if base is list:
                return self.items(list(list.__iter__(value)), depth)
            if base is set:
                return {"S": self.items(list(set.__iter__(value)), depth)}
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
            if base is bytearray:
                return {"B": bytearray.hex(value)}
            if base is range:
                return {"r": [self.encode(v) for v in (value.start, value.stop, value.step)]}
            if base is collections.deque:
                return {"q": [self.items(list(collections.deque.__iter__(value)), depth), value.maxlen]}
            if base.__module__ == "fractions" and base.__name__ == "Fraction":
                return {"R": [self.encode(value.numerator), self.encode(value.denominator)]}
            if base.__module__ == "decimal" and base.__name__ == "Decimal":
                return {"D": base.__str__(value)}
            if base.__name__ in self.records:
                return self.record(value, base.__name__)
        raise NotPlain(kind.__name__, value)

    def record(self, value, name):
        place = self.places.get(id(value))
        if place is None:
            place = self.places[id(value)] = len(self.objects)
            self.objects.append([name, None])
            self.waiting.append(value)
        return {"o": place}

    def finish(self):
        """The records met, with their fields. A loop, not a recursion: a linked list may be long."""
        done = 0
        while done < len(self.waiting):
            self.objects[done][1] = self.pairs(vars(self.waiting[done]), 0)
            done += 1
        return self.objects


def encode_text(text):
    try:
        text.encode("utf-8")
        return text
    except UnicodeEncodeError:  # JSON would join two lone surrogates
        return {"s": [ord(c) for c in text]}


def encode_frame(values, records=()):
    """JSON text of a list of values and the records in them."""
    encoder = Encoder(records)
    encoded = [encoder.encode(v) for v in values]
    if encoder.waiting:
        encoded.append(encoder.finish())
    else:
        encoded.append([])
    return dumps(encoded)


def fraction(pair):
    import fractions
    return fractions.Fraction(*pair)


def decimal(text):
    import decimal as module
    return module.Decimal(text)


class Decoder:
    """`records` maps names to classes of this side; instances are made without calling anything of theirs."""

    def __init__(self, records, objects):
        self.made = []
        for name, _ in objects:
            if name not in records:
                raise Malformed("no record class %r" % (name,))
            self.made.append(object.__new__(records[name]))
        for made, (_, fields) in zip(self.made, objects):
            for key, value in fields:
                made.__dict__[self.text(key)] = self.decode(value)

    @staticmethod
    def text(value):
        if type(value) is not str:
            raise Malformed("not a name")
        return value

    def decode(self, value, depth=0):
        kind = type(value)
        if kind is list:
            if depth > 2 * MAX_DEPTH:
                raise Malformed("nested too deeply")
            return [v if type(v) in SCALARS else self.decode(v, depth + 1) for v in value]
        if kind is not dict:
            return value
        if len(value) != 1:
            raise Malformed("an object of several members")
        (tag, body), = value.items()
        return self.tagged(tag, body, depth)

    def tagged(self, tag, body, depth):
        if tag == "i":
            return int(body, 16)
        if tag == "f":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[body]
        if tag == "s":
            return "".join(map(chr, body))
        if tag == "b":
            return bytes.fromhex(body)
        if tag == "B":
            return bytearray.fromhex(body)
        if tag == "D":
            return decimal(self.text(body))
        if tag == "o":
            return self.made[body]
        items = self.decode(body, depth + 1)
        if tag == "t":
            return tuple(items)
        if tag == "S":
            return set(items)
        if tag == "F":
            return frozenset(items)
        if tag == "d":
            return dict(items)
        if tag == "C":
            return collections.Counter(dict(items))
        if tag == "c":
            return complex(*items)
        if tag == "r":
            return range(*items)
        if tag == "q":
            return collections.deque(items[0], items[1])
        if tag == "R":
            return fraction(items)
        raise Malformed("unknown tag %r" % (tag,))


def decode_frame(text, count, records=None):
    """The `count` values of a frame's JSON text. Raises Malformed for anything that encode_frame does not make."""
    try:
        values = json.loads(text)
        if type(values) is not list or len(values) != count + 1 or type(values[-1]) is not list:
            raise Malformed("not a list of %d values" % count)
        if b"{" not in text:
            return values[:-1]
        decoder = Decoder(records or {}, values[-1])
        return [decoder.decode(v) for v in values[:-1]]
    except Malformed:
        raise
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, ArithmeticError, RecursionError, OverflowError) as e:
        raise Malformed("%s: %s" % (type(e).__name__, str(e)[:100])) from None


class Channel:
    """Frames over a stream socket. `limit`: the largest frame that is taken from the other side."""

    def __init__(self, fd, limit=None):
        self.fd = fd
        self.limit = limit
        self.buffer = b""

    def send(self, number, word, text):
        payload = b"%d %s\n%s" % (number, word.encode("ascii", "backslashreplace"), text.encode("ascii"))
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
        return int(number), word.decode("ascii", "replace"), text

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
