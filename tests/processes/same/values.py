"""Every kind of value as a payload, and what is none."""

import collections
import datetime as dt
import decimal
import enum
import math
import types

from dagster_pipes import open_dagster_pipes


class Text(str):
    pass


class Dict(dict):
    pass


class Int(int):
    pass


class Float(float):
    pass


class Number(enum.IntEnum):
    ONE = 1


class Name(str, enum.Enum):
    V = "v"


def attempt(what, *args, **kwargs):
    try:
        print(repr(what(*args, **kwargs)))
    except Exception as error:
        print(type(error).__name__, error)


Pair = collections.namedtuple("Pair", "x y")
DEEP: list = []
for _ in range(400):
    DEEP = [DEEP]

VALUES = [
    None, True, 0, -1, 2**63, -(2**63), 2**64, 10**300, 1.5, -0.0, 1e400, -1e400, 5e-324, math.nan,
    "", "x" * 70_000, "é☃\U0001f600", "\ud800", "\0\x1f\x7f\u2028\\\"/", "a\nb\rc\td",
    [], (), {}, [()], {"a": {}}, (1, [2, {"b": (3,)}]), DEEP, Pair(1, 2),
    Text("s"), Dict(a=1), Int(3), Float(1.5), Number.ONE, Name.V,
    {Text("k"): 1}, {Number.ONE: 1}, {Name.V: 1}, {Int(3): 1}, {Float(0.5): 1}, {"\udfff": 1},
    {True: 1, None: 2, 1.5: 3, math.inf: 4, 7: 5, "": 6}, {1: 1, "1": 2},
    collections.OrderedDict(b=1, a=2), collections.defaultdict(list, {"a": [1]}),
    collections.Counter("aab"),
    {(1, 2): 3}, {b"k": 1}, set(), b"x", bytearray(b"x"), decimal.Decimal(1),
    dt.date(2020, 1, 1), types.MappingProxyType({"a": 1}), object, range(3), 1j,
    types.SimpleNamespace(a=1), collections.ChainMap({"a": 1}), collections.UserDict(a=1),
    collections.deque([1]), [1, {"a": {2}}], {"a": [object]},
]  # fmt: skip

with open_dagster_pipes() as pipes:
    for value in VALUES:
        attempt(pipes.report_custom_message, value)
    attempt(pipes.report_custom_message, payload=3)
    for stream in ("stdout", "stderr"):
        attempt(pipes.log_external_stream, stream, "text é\n")
        attempt(pipes.log_external_stream, stream, "", {"a": [1]})
        attempt(pipes.log_external_stream, stream=stream, text="t", extras={})
