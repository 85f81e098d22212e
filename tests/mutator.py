"""Lines that are nearly messages: good ones of every kind, damaged in three ways.

As bytes (flipped, cut, doubled, spliced), as tokens (a value of the sort that parsers disagree
about in the place of another) and as structures (keys dropped, renamed, doubled, moved; types
changed). The same seed always gives the same lines.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import corpora

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Raw:
    """A value, or what stands in the place of one, as text."""

    text: str


class Object(list[tuple[Any, Any]]):
    """An object, which may hold a key twice."""


def _message(method: str, params: Any, **envelope: Any) -> dict[str, Any]:
    return {"__dagster_pipes_version": "0.1", "method": method, "params": params, **envelope}


def _exception(depth: int = 0, **changed: Any) -> dict[str, Any]:
    inner = _exception(depth - 1) if depth else None
    return {
        "message": "boom: größe 🦀",
        "stack": ['  File "x.py", line 1\n', "    f()\n"],
        "name": "ValueError",
        "cause": inner,
        "context": None,
        **changed,
    }


_COLUMNS = [
    {"name": "n", "type": "int"},
    {
        "name": "größe",
        "type": "string",
        "description": "how large",
        "tags": {"unit": "cm"},
        "constraints": {"nullable": False, "unique": True, "other": ["> 0"]},
    },
    {"name": "x", "type": "x", "description": None, "tags": None, "constraints": None},
    {"name": "y", "type": "y", "constraints": {"other": None}},
]
_DEP = {"asset_key": ["a", "b"], "column_name": "x"}

METADATA: dict[str, list[Any]] = {
    "__infer__": [1, 1.5, "x", True, None, {"a": [1]}, [1, {"b": None}], float("nan"), 2**70],
    "text": ["", "größe", "a\nb", None],
    "url": ["https://example.com/?a=b"],
    "path": ["/tmp/x", "C:\\x"],
    "notebook": ["/tmp/x.ipynb"],
    "json": [{"a": {"b": [1, 2.5, None, True]}}, [], "x", None, {}, [float("inf")]],
    "md": ["# title\n\n| a | b |"],
    "float": [1.0, -0.0, 1e300, float("nan"), float("-inf"), None],
    "int": [0, -1, 2**64, 10**400, True, None],
    "bool": [True, False, None],
    "dagster_run": ["7f7c2a7c-0000-4000-8000-000000000000"],
    "asset": ["a/b", "a", ""],
    "null": [None, 1, "x"],
    "timestamp": [1_700_000_000, 1_700_000_000.5, -1, True, float("nan")],
    "table": [
        {"records": [{"n": 1, "größe": "x"}, {"größe": None, "n": 2.5}], "schema": _COLUMNS},
        {"records": [], "schema": []},
    ],
    "table_schema": [{"columns": _COLUMNS}, {"columns": []}],
    "table_column_lineage": [
        {"deps_by_column": {"c": [_DEP, {"asset_key": ["a"], "column_name": "y"}], "d": []}},
        {"deps_by_column": {}},
    ],
}


def messages() -> Iterator[dict[str, Any]]:
    """Messages that Dagster takes: every method, every type of metadata."""
    stamp = ["k3mq7xpa", 7, 1_700_000_000_000_000]
    for extras in ({}, None, {"pid": 1, "a": {"b": [1]}}):
        yield _message("opened", {"extras": extras})
    yield _message("opened", {"extras": {}}, __ironpipe=stamp)
    yield _message("opened", None)
    yield _message("opened", {})
    for depth in (0, 1, 3, 8):
        yield _message("closed", {"exception": _exception(depth)})
    yield _message("closed", {"exception": _exception(context=_exception(1), name=None)})
    yield _message("closed", {}, __ironpipe=stamp)
    yield _message("closed", None)
    for level in ("info", "DEBUG", "Warn", "WARNING", "ERROR", "CRITICAL", "fatal"):
        yield _message("log", {"message": f'größe {level}\t"x"', "level": level})
    yield _message("log", {"message": ""})
    yield _message("log", {"message": "plain", "level": "INFO"}, __ironpipe=stamp)
    for type_name, values in METADATA.items():
        for value in values:
            metadata = {"k": {"raw_value": value, "type": type_name}}
            yield _materialization(metadata)
            yield _check(metadata)
    everything = {
        f"{type_name} {i}": {"raw_value": value, "type": type_name}
        for type_name, values in METADATA.items()
        for i, value in enumerate(values[:2])
    }
    yield _materialization(everything, __ironpipe=stamp)
    yield _materialization(None)
    yield _materialization({})
    yield _check(None)
    for payload in (None, 1, "x", [], {"a": [1, 2.5, {"b": None}]}, float("nan"), 2**64, "\ud800"):
        yield _message("report_custom_message", {"payload": payload})
    for stream in ("stdout", "stderr"):
        yield _message("log_external_stream", {"stream": stream, "text": "out\n", "extras": {}})
        yield _message("log_external_stream", {"stream": stream, "text": "größe"})


def _materialization(metadata: Any, **envelope: Any) -> dict[str, Any]:
    params = {"asset_key": "a\\/b/c", "data_version": "v1", "metadata": metadata}
    return _message("report_asset_materialization", params, **envelope)


def _check(metadata: Any) -> dict[str, Any]:
    params = {
        "asset_key": "a/b",
        "check_name": "not_null",
        "passed": True,
        "severity": "WARN" if metadata else "ERROR",
        "metadata": metadata,
    }
    return _message("report_asset_check", params)


# Values that parsers disagree about, and each type of value.
VALUES = [
    *("null", "true", "false", "0", "1", "-1", "1.0", "1.5", '""', '"x"', "[]", "{}", "[[]]"),
    *("-0", "-0.0", "0e0", "1E+2", "1e-7", "5e-324", "1e-400", "1e400", "-1e400", "1e308"),
    *("1.7976931348623157e308", "1.7976931348623159e308", "0." + "1" * 400, "1" * 310 + ".5"),
    *("9007199254740993", "9223372036854775807", "9223372036854775808", "-9223372036854775808"),
    *("-9223372036854775809", "18446744073709551615", "18446744073709551616", "9" * 30),
    *("NaN", "Infinity", "-Infinity", "[NaN]", '{"a":Infinity}', "1" + "0" * 400),
    *('"\\ud800"', '"\\udc00\\ud800"', '"\\ud83d\\ude00"', '"\\ud83d\\ud83d\\ude00"', '"\\u0000"'),
    *('"\\ud800\\u0061"', '"\\uD83D"', '"\\ud83dx\\ude00"', '"\\/"', '"\x7f\x80"', '"\u2028"'),
    *('"INFO"', '"info"', '"TRACE"', '"Level 35"', '" INFO"', '"NOTSET"', '"ınfo"', "20", "35"),
    *('"WARN"', '"warn"', '"Error"', '"FATAL"', '"stdout"', '"stderr"', '"STDOUT"', '"text"'),
    *(
        '"a/b"',
        '"a\\\\/b"',
        '"a\\\\\\\\"',
        '"/"',
        '"a//b"',
        '"\\\\"',
        '["a"]',
        '["a",1]',
        '["a",["b"]]',
    ),
    *('{"a":1,"a":2}', '{"a":{},"\\u0061":[]}', '{"":null}', '[{"a":[{"b":[]}]}]', '{"x":"y"}'),
    *('["k3mq7xpa",1,2]', '["k3mq7xpa",0,2]', '["",1,2]', '["w",18446744073709551615,3,4]'),
    *('"\\u006bx"', '["\\u006bx",01,2]', '["w",1,-0]', '["w",1.0,2]', '["w",1]'),
    *(json.dumps(_exception(depth)) for depth in (0, 2, 7)),
    *(json.dumps({"k": {"raw_value": 1, "type": t}}) for t in ("int", "float", "job", "json")),
]
LEVELS = [
    *(
        '"INFO"',
        '"trace"',
        '"Level 35"',
        '" info "',
        '"NOTSET"',
        '"ınfo"',
        '"W\\u0041RN"',
        '"ſ"',
        '""',
    ),
    *(
        '"alert"',
        '"99"',
        '"-5"',
        '"level5"',
        '"FATAL "',
        "0",
        "10",
        "35",
        "50",
        "-1",
        "9" * 30,
        "true",
    ),
    *(
        "-" + "9" * 30,
        "null",
        "20.0",
        "[]",
        '"\\ud800"',
        '"Level \\u0035"',
        '"warning\\n"',
        '"+20"',
    ),
]
SEVERITIES = [
    *(
        '"WARN"',
        '"warn"',
        '"Error"',
        '"ERROR"',
        '"eRROR"',
        '"\\u0077arn"',
        '"WARNING"',
        '"ſ"',
        '"info"',
    ),
    *("null", "1", '""', '" WARN"', '"warn\\n"', '["WARN"]', "true"),
]
# The same, but large; rarer, because they take time.
LARGE = [
    *("9" * 4300, "9" * 4301, "-" + "9" * 4300, "0." + "3" * 5000, "1" * 4400 + "e5"),
    *("[" * n + "]" * n for n in (60, 64, 65, 128, 500, 507, 508, 509, 510, 511, 512, 513, 600)),
    *('{"a":' * n + "1" + "}" * n for n in (63, 64, 129, 506, 507, 508, 509, 510, 511)),
    *('[{"b":' * n + "[]" + "}]" * n for n in (30, 32, 253, 254, 255, 256)),
]
# What is no value at all.
JUNK = [
    *("nan", "-NaN", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "-", "0x1", "1_0", "١", "²"),
    *("tru", "nul", "None", "True", "undefined", "", ",", ":", "[", "]", "{", "}", "[1,]", "{,}"),
    *('"', '"\\x"', '"\\u12"', '"\\u12g4"', '"\\ud800\\u12g4"', '"\t"', '"\x00"', '"\x1f"'),
    *("'x'", '{"a" 1}', "{a:1}", '{"a":1,}', "{1:2}", "[1 2]", "1 2", '"\\', "\xa0", "/*x*/1"),
    *('"\\U0041"', "inf", "-Inf", "Infinit", "1e5.5", "--1", "\ufeff1", '{"a":}', '{"a":1 "b":2}'),
]
KEYS = [
    *("method", "params", "message", "level", "asset_key", "data_version", "metadata", "passed"),
    *("check_name", "severity", "payload", "stream", "text", "extras", "exception", "__ironpipe"),
    *("__dagster_pipes_version", "raw_value", "type", "records", "schema", "columns", "name"),
    *("deps_by_column", "column_name", "description", "tags", "constraints", "nullable", "other"),
    *("unique", "stack", "cause", "context", "", "x", "Method", "self", "größe", "k", "m\u0000"),
]
# How messages begin that any value may follow, and some that none may follow.
HOLDERS = [
    *(
        f'{{"__dagster_pipes_version": "0.1", "method": "{method}", "params": {{"{name}": '
        for method, name in (
            ("report_custom_message", "payload"),
            ("opened", "extras"),
            ("log", "message"),
            ("log_external_stream", "extras"),
        )
    ),
    '{"params":{"payload":',
    (
        '{"__dagster_pipes_version":"0.1","method":"report_asset_materialization","params":'
        '{"asset_key":"a","data_version":null,"metadata":{"k":{"raw_value":'
    ),
    '{"__dagster_pipes_version": ',
    "[",
]
SPACES = ["", "", " ", " ", "\t", "\r", "\n", "  ", " \r\n\t "]
NO_SPACES = ["\x0b", "\x0c", "\xa0", "\u2028", "\ufeff", "\x00"]
STARTS = [b"", b"\xef\xbb\xbf", b" ", b"\r", b"\xef\xbb\xbf\xef\xbb\xbf", b" \xef\xbb\xbf"]
ENDS = [b"", b"\r", b"\r\r", b" ", b"\n", b"\x00", b"\xef\xbb\xbf"]
BYTES = [
    *(b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b" ", b"\n", b"\r", b"\t", b"0", b"-", b"."),
    *(
        b"e",
        b"u",
        b"\x00",
        b"\x1f",
        b"\x7f",
        b"\x80",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"N",
        b"I",
    ),
    *(
        b"\xef\xbb\xbf",
        "é".encode(),
        "🦀".encode(),
        b"\xc0\xaf",
        b"\xf4\x90\x80\x80",
        b"\\u",
        b'\\"',
    ),
    *(b"null", b"true", b"NaN", b"1e5", b"\\ud800", b'"":', b"{}", b"[]", b"/", b"a", b"1"),
]


class Mutator:
    """An endless source of lines.

    Args:
        seed: Where chance starts.
    """

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        rich = list(messages())
        rich += [json.loads(line) for name in corpora.CORPORA for line in corpora.lines(name, 3)]
        self._lines = [json.dumps(message).encode() for message in rich]
        for name in corpora.CORPORA:
            self._lines += [line.rstrip(b"\n") for line in corpora.lines(name, 3, seed=2)]
        self._trees = [_tree(line) for line in self._lines]
        self._by_method: dict[str, list[Any]] = {}
        for tree in self._trees:
            self._by_method.setdefault(dict(tree)["method"], []).append(tree)
        self._pool = [node for tree in self._trees for node in _nodes(tree)]

    def line(self) -> bytes:
        """The next line, without a newline at its end."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.25:
            return self._damage(rng.choice(self._lines))
        # Most have metadata; each method is to have its share.
        trees = rng.choice((self._trees, rng.choice(list(self._by_method.values()))))
        tree = rng.choice(trees)
        for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
            tree = self._change_param(tree) if rng.random() < 0.3 else self._change(tree)
        line = self._render(tree)
        return self._damage(line) if chance > 0.9 else line

    def joined(self) -> bytes:
        """A line of several: fragments, and whole messages behind them or within them."""
        rng = self._rng
        pieces: list[bytes] = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            kind = rng.random()
            piece = self._holder() if kind < 0.3 else rng.choice(self._lines)
            piece = piece[: rng.randrange(len(piece) + 1)] if kind > 0.05 else piece
            pieces.append(self.line() if kind > 0.9 else piece)
        pieces.append(self.line() if rng.random() < 0.2 else rng.choice(self._lines))
        return b"".join(pieces)

    def _holder(self) -> bytes:
        """A message that holds others as values; may be cut behind one of them."""
        rng = self._rng
        held = [rng.choice(self._lines) for _ in range(rng.choice((1, 1, 2)))]
        text = json.dumps(held[0].decode("utf-8", "replace")).encode()
        values = b", ".join(rng.sample([*held, b'"x"', b"[1]", text], rng.randrange(1, 4)))
        opening = rng.choice((b"", b"", b"[", b'{"a": ', b'[{"b": [', b'"'))
        holder = rng.choice(HOLDERS).encode()
        return holder + opening + (values if rng.random() < 0.8 else values + b"}}")

    # Bytes.

    def _damage(self, line: bytes) -> bytes:
        rng = self._rng
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            at = rng.randrange(len(line) + 1)
            end = min(len(line), at + rng.choice((1, 1, 1, 2, 4, 9, 40)))
            kind = rng.randrange(8)
            if kind == 0 and at < len(line):
                line = line[:at] + bytes([line[at] ^ 1 << rng.randrange(8)]) + line[at + 1 :]
            elif kind == 1:
                line = line[:at] + rng.choice(BYTES) + line[at:]
            elif kind == 2:
                line = line[:at] + rng.choice(BYTES) + line[end:]
            elif kind == 3:
                line = line[:at] + line[end:]
            elif kind == 4:
                line = line[:at] + line[at:end] * 2 + line[end:]
            elif kind == 5:
                other = rng.choice(self._lines)
                line = line[:at] + other[rng.randrange(len(other)) :]
            elif kind == 6:
                line = rng.choice(STARTS) + line + rng.choice(ENDS)
            else:
                line = line[:at]
        return line

    # Structure and tokens.

    def _value(self) -> Any:
        rng = self._rng
        chance = rng.random()
        if chance < 0.45:
            return Raw(rng.choice(VALUES))
        if chance < 0.47:
            return Raw(rng.choice(LARGE))
        if chance < 0.53:
            return Raw(rng.choice(JUNK))
        return rng.choice(self._pool)

    def _change(self, node: Any) -> Any:
        """The same tree but for one place."""
        rng = self._rng
        if isinstance(node, list) and node and rng.random() < 0.8:
            at = rng.randrange(len(node))
            copy = node[:] if not isinstance(node, Object) else Object(node)
            if isinstance(node, Object):
                key, value = node[at]
                copy[at] = (key, self._change(value))
            else:
                copy[at] = self._change(node[at])
            return copy
        if isinstance(node, Object):
            return self._change_object(Object(node))
        if isinstance(node, list) and rng.random() < 0.7:
            return self._change_list(node[:])
        kind = rng.random()
        if kind < 0.05:
            return [node]
        if kind < 0.1:
            return Object([(rng.choice(KEYS), node)])
        return self._value()

    def _change_param(self, tree: Any) -> Any:
        """The same message, but for one of its params: what may still be mended."""
        rng = self._rng
        tree = Object(tree) if isinstance(tree, Object) else Object()
        for at, (key, params) in enumerate(tree):
            if key != "params" or not isinstance(params, Object):
                continue
            params = Object(params)
            name = rng.choice([name for name, _ in params] or KEYS)
            values = {"level": LEVELS, "severity": SEVERITIES}.get(name, VALUES)
            if rng.random() < 0.3:
                name, values = rng.choice(KEYS), VALUES
            places = [i for i, (known, _) in enumerate(params) if known == name]
            if places:
                params[places[0]] = (name, Raw(rng.choice(values)))
            else:
                params.append((name, Raw(rng.choice(values))))
            tree[at] = (key, params)
        return tree

    def _change_object(self, node: Object) -> Any:
        rng = self._rng
        kind = rng.randrange(8)
        at = rng.randrange(len(node)) if node else 0
        if kind == 0 or not node:
            node.insert(rng.randrange(len(node) + 1), (rng.choice(KEYS), self._value()))
        elif kind == 1:
            del node[at]
        elif kind == 2:
            node[at] = (rng.choice(KEYS), node[at][1])
        elif kind == 3:
            # A key twice: the last one counts.
            node.insert(rng.randrange(len(node) + 1), (node[at][0], self._value()))
        elif kind == 4:
            node.append((node[at][0], self._change(node[at][1])))
        elif kind == 5:
            rng.shuffle(node)
        elif kind == 6:
            other = rng.randrange(len(node))
            (a, b), (c, d) = node[at], node[other]
            node[at], node[other] = (a, d), (c, b)
        else:
            return self._value()
        return node

    def _change_list(self, node: list[Any]) -> Any:
        rng = self._rng
        at = rng.randrange(len(node) + 1)
        kind = rng.randrange(4)
        if kind == 0 and node:
            del node[min(at, len(node) - 1)]
        elif kind == 1 and node:
            node.insert(at, rng.choice(node))
        elif kind == 2:
            rng.shuffle(node)
        else:
            node.insert(at, self._value())
        return node

    def _render(self, tree: Any) -> bytes:
        """Text in one of many spellings."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.6:
            comma, colon = rng.choice(((", ", ": "), (",", ":")))
            strings = _strings(rng.random() < 0.5)
            parts: list[str] = []
            _write(tree, parts, lambda: comma, lambda: colon, strings)
        else:
            space = lambda: rng.choice(SPACES)  # noqa: E731
            if chance > 0.99:
                space = lambda: rng.choice(rng.choice((SPACES, NO_SPACES)))  # noqa: E731
            parts = [space()]
            comma_, colon_ = (lambda: space() + "," + space()), (lambda: space() + ":" + space())
            _write(tree, parts, comma_, colon_, self._odd_string)
            parts.append(space())
        return "".join(parts).encode("utf-8", "surrogatepass")

    def _odd_string(self, text: str) -> str:
        rng = self._rng
        if rng.random() < 0.7 or len(text) > 60:
            return json.dumps(text, ensure_ascii=rng.random() < 0.5)
        pieces = [json.dumps(c)[1:-1] if rng.random() < 0.8 else _escape(c) for c in text]
        return f'"{"".join(pieces)}"'


def _escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))


def _strings(ascii_only: bool) -> Any:
    return lambda text: json.dumps(text, ensure_ascii=ascii_only)


def _write(node: Any, parts: list[str], comma: Any, colon: Any, string: Any) -> None:
    if isinstance(node, Raw):
        parts.append(node.text)
    elif isinstance(node, str):
        parts.append(string(node))
    elif isinstance(node, Object):
        parts.append("{")
        for i, (key, value) in enumerate(node):
            if i:
                parts.append(comma())
            parts += (string(key), colon())
            _write(value, parts, comma, colon, string)
        parts.append("}")
    elif isinstance(node, list):
        parts.append("[")
        for i, value in enumerate(node):
            if i:
                parts.append(comma())
            _write(value, parts, comma, colon, string)
        parts.append("]")
    else:
        parts.append(json.dumps(node))


def _tree(line: bytes) -> Any:
    return json.loads(
        line, object_pairs_hook=Object, parse_int=Raw, parse_float=Raw, parse_constant=Raw
    )


def _nodes(tree: Any) -> Iterator[Any]:
    yield tree
    if isinstance(tree, list):
        for child in tree:
            yield from _nodes(child[1] if isinstance(tree, Object) else child)
