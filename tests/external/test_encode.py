"""What ironpipe writes as JSON is what ``json.dumps`` writes, or it is refused by name."""

from __future__ import annotations

import collections
import decimal
import enum
import gc
import json
import math
import threading
from typing import Any, NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ironpipe import DagsterPipesError, NotJsonError, _ironpipe

text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
scalars = (
    st.none() | st.booleans() | st.integers() | st.integers(-(10**80), 10**80) | st.floats() | text
)
keys = text | st.integers() | st.floats() | st.booleans() | st.none()
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=30,
)


def same(ours: Any, theirs: Any) -> bool:
    """Equal, of equal types, with NaN equal to itself."""
    if type(ours) is not type(theirs):
        return False
    if isinstance(ours, dict):
        return list(ours) == list(theirs) and all(same(ours[k], theirs[k]) for k in ours)
    if isinstance(ours, list):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    if isinstance(ours, float):
        return math.copysign(1, ours) == math.copysign(1, theirs) and (
            ours == theirs or (math.isnan(ours) and math.isnan(theirs))
        )
    return bool(ours == theirs)


@given(values)
@example({1.0: "a", 1e16: "b", 1e-7: "c", math.inf: "d", math.nan: "e", True: "f", None: "g"})
@example(["\ud800", "a\udfffb\ud83d\ude00", "\U0001f600", '\x00\x1f\x7f\u2028"\\/'])
@example([2**63, -(2**63), 2**64, -(2**63) - 1, 1e16, 1e22, 5e-324, -0.0, 0.1])
@settings(max_examples=400, deadline=None)
def test_it_reads_back_as_what_json_dumps_writes(value: Any) -> None:
    assert same(json.loads(_ironpipe.dumps(value)), json.loads(json.dumps(value)))


class Color(enum.IntEnum):
    RED = 1


class Word(str, enum.Enum):
    YES = "yes"


class Point(NamedTuple):
    x: int
    y: float


class Loud(int):
    def __repr__(self) -> str:
        return "loud"

    __str__ = __repr__


class LoudFloat(float):
    def __repr__(self) -> str:
        return "loud"


class Backwards(dict[Any, Any]):
    def items(self) -> Any:
        return list(reversed(list(super().items())))


@pytest.mark.parametrize(
    "value",
    [
        Color.RED,
        Word.YES,
        Point(1, 2.5),
        Loud(7),
        LoudFloat(1.5),
        {Loud(7): 1, LoudFloat(1.5): 2, Color.RED: 3, Word.YES: 4},
        Backwards(a=1, b=2),
        collections.OrderedDict(a=1, b=2),
        collections.Counter("aab"),
        {1: "a", "1": "b"},
        10**4299,
    ],
    ids=lambda value: type(value).__name__,
)
def test_subclasses_go_by_their_base(value: Any) -> None:
    assert json.loads(_ironpipe.dumps(value)) == json.loads(json.dumps(value))


def test_an_ordered_dict_keeps_the_order_it_shows() -> None:
    ordered = collections.OrderedDict(a=1, b=2)
    ordered.move_to_end("a")
    assert _ironpipe.dumps(ordered) == b'{"b":2,"a":1}'


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({1, 2}, "Object of type set is not JSON serializable: value"),
        (b"x", "Object of type bytes is not JSON serializable: value"),
        (decimal.Decimal(1), "Object of type Decimal is not JSON serializable: value"),
        (1j, "Object of type complex is not JSON serializable: value"),
        ({(1, 2): 3}, "keys must be str, int, float, bool or None, not tuple: value"),
        ({"rows": [1, 2, {3}]}, "Object of type set is not JSON serializable: value.rows[2]"),
        (
            [{"a b": (None, object())}],
            "Object of type object is not JSON serializable: value[0]['a b'][1]",
        ),
        ({"x": {b"k": 1}}, "keys must be str, int, float, bool or None, not bytes: value.x"),
    ],
)
def test_a_refusal_has_the_words_of_json_dumps_and_the_place(value: Any, text: str) -> None:
    with pytest.raises(TypeError) as theirs:
        json.dumps(value)
    with pytest.raises(NotJsonError) as ours:
        _ironpipe.dumps(value)
    assert str(ours.value) == text
    assert str(theirs.value) in text
    assert isinstance(ours.value, (DagsterPipesError, TypeError))


def test_a_value_that_holds_itself_is_refused() -> None:
    loop: dict[str, Any] = {}
    loop["again"] = [loop]
    with pytest.raises(ValueError, match="Circular reference detected.*value.again"):
        _ironpipe.dumps(loop)


def test_nesting_has_a_limit() -> None:
    def nested(depth: int) -> Any:
        value: Any = []
        for _ in range(depth - 1):
            value = [value]
        return value

    assert json.loads(_ironpipe.dumps(nested(512))) == nested(512)
    with pytest.raises(NotJsonError, match="nested deeper than 512 levels"):
        _ironpipe.dumps(nested(513))


def test_an_integer_that_no_reader_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="4300"):
        _ironpipe.dumps({"n": 10**4300})


def test_what_a_value_raises_itself_comes_through() -> None:
    class Broken(dict[str, int]):
        def items(self) -> Any:
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        _ironpipe.dumps([Broken(a=1)])


def test_a_dict_that_is_changed_while_it_is_written() -> None:
    outer: dict[str, Any] = {}

    class Meddler(dict[str, int]):
        def items(self) -> Any:
            outer["late"] = 1
            return super().items()

    outer["a"] = Meddler(x=1)
    outer["b"] = 2
    assert json.loads(_ironpipe.dumps(outer)) == {"a": {"x": 1}, "b": 2}


def test_containers_that_are_emptied_while_they_are_written() -> None:
    class Emptier(dict[str, int]):
        def items(self) -> Any:
            names.clear()
            outer.clear()
            gc.collect()
            return super().items()

    # Made here alone: nothing else keeps them alive.
    names = [f"name {n}" for n in range(3)]
    outer: dict[str, Any] = {f"key {n}": {"names": names} for n in range(3)}
    outer |= {"emptier": Emptier(x=1), "late": [f"late {n}" for n in range(3)]}
    assert json.loads(_ironpipe.dumps([outer, "end"])) == [
        {
            **{f"key {n}": {"names": [f"name {n}" for n in range(3)]} for n in range(3)},
            "emptier": {"x": 1},
            "late": [f"late {n}" for n in range(3)],
        },
        "end",
    ]


def test_a_dict_that_another_thread_changes() -> None:
    shared: dict[str, Any] = {"always": ["there"]}
    done = threading.Event()

    def change() -> None:
        number = 0
        while not done.is_set():
            shared[f"key {number % 50}"] = {"number": [number], "text": "x" * (number % 40)}
            shared.pop(f"key {(number + 25) % 50}", None)
            number += 1

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(200):
            assert json.loads(_ironpipe.dumps(shared))["always"] == ["there"]
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("special", ['"', "\\", "\n", "\x00", "é", "\U0001f600", "\ud800", "x"])
def test_strings_and_keys_of_every_length_with_a_special_letter_anywhere(special: str) -> None:
    for length in range(36):
        for at in range(length + 1):
            text = "a" * at + special + "b" * (length - at)
            value = {text: text, "": [text]}
            assert json.loads(_ironpipe.dumps(value)) == value


@pytest.mark.parametrize("depth", [63, 64, 65, 66])
@pytest.mark.parametrize("leaf", [1, Color.RED, "\ud800", 2**64, {1: Loud(2)}])
def test_what_is_left_to_the_careful_way_is_written_but_once(depth: int, leaf: Any) -> None:
    value = leaf
    for n in range(depth):
        value = {"before": n, "value": value} if n % 2 else [n, value, ("behind",)]
    assert json.loads(_ironpipe.dumps(value)) == json.loads(json.dumps(value))
