"""A user's own loaders, writers and channels in ours, and ours in the official session."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster_pipes
import pytest

import ironpipe
from external.parts import PACKAGES, SINGLE, messages, open_with


class Recorder:
    """Only the method; no base class."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    def write_message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)


class OfficialChannel(dagster_pipes.PipesMessageWriterChannel, Recorder):  # type: ignore[misc]
    def __init__(self) -> None:
        Recorder.__init__(self)

    write_message = Recorder.write_message


class Writer:
    """Only the methods."""

    def __init__(self, channel: Any) -> None:
        self.channel = channel
        self.params: Any = None

    @contextmanager
    def open(self, params: Any) -> Iterator[Any]:
        self.params = params
        yield self.channel

    def get_opened_payload(self) -> dict[str, Any]:
        return {"extras": {"who": "me"}}


class OfficialWriter(dagster_pipes.PipesMessageWriter[Any]):
    def __init__(self, channel: Any) -> None:
        self.channel = channel

    @contextmanager
    def open(self, params: Any) -> Iterator[Any]:
        yield self.channel

    def get_opened_extras(self) -> dict[str, Any]:
        return {"who": "me"}


class Ours(ironpipe.PipesMessageWriter[Any]):
    def __init__(self, channel: Any) -> None:
        self.channel = channel

    @contextmanager
    def open(self, params: Any) -> Iterator[Any]:
        yield self.channel

    def get_opened_extras(self) -> dict[str, Any]:
        return {"who": "me"}


class Loader:
    """A context loader of only the method, whose context is not wholly JSON."""

    marker = object()

    @contextmanager
    def load_context(self, params: Any) -> Iterator[Any]:
        yield {**SINGLE, "extras": {"own": self.marker}, "more": {1, 2}}


class Params(dagster_pipes.PipesParamsLoader):
    def is_dagster_pipes_process(self) -> bool:
        return True

    def load_context_params(self) -> Any:
        return {"where": "here"}

    def load_messages_params(self) -> Any:
        return {"there": 1}


def everything(pipes: Any) -> None:
    pipes.log.warning("%d", 1)
    pipes.log.log(5, "low")
    pipes.report_custom_message({"tuple": (1, 2), 3: None})
    pipes.report_asset_check("c", True, metadata={"a": 1, "b": {"raw_value": "x", "type": "md"}})
    pipes.report_asset_materialization({"a": (1,)}, "v")
    pipes.log_external_stream("stdout", "x")
    pipes.close({"message": "m", "stack": [], "name": None, "cause": None, "context": None})


@pytest.mark.parametrize("channel", [Recorder, OfficialChannel])
@pytest.mark.parametrize("writer", [Writer, OfficialWriter, Ours])
def test_own_channels_are_handed_what_the_official_session_hands_them(
    writer: Any, channel: Any
) -> None:
    handed = []
    for name, package in zip(PACKAGES, (dagster_pipes, ironpipe), strict=True):
        recorder = channel()
        pipes = package.PipesContext(Params(), Loader(), writer(recorder))
        assert pipes.asset_key == "p/y"
        assert pipes.get_extra("own") is Loader.marker
        everything(pipes)
        assert pipes.is_closed, name
        handed.append(recorder.messages)
    theirs, ours = handed
    # The level that Dagster would refuse is the nearest that it takes.
    assert theirs[2]["params"].pop("level") == "Level 5"
    assert ours[2]["params"].pop("level") == "DEBUG"
    assert ours == theirs
    assert ours[0]["params"] == {"extras": {"who": "me"}}
    # Not a copy made through JSON.
    assert isinstance(ours[3]["params"]["payload"]["tuple"], tuple)


def test_an_own_channel_may_write_what_json_does_not_have() -> None:
    recorder = Recorder()
    pipes = ironpipe.PipesContext(Params(), Loader(), Writer(recorder))
    marker = object()
    pipes.report_custom_message(marker)
    assert recorder.messages[-1]["params"]["payload"] is marker


def test_what_an_own_channel_raises_comes_through() -> None:
    class Broken(Recorder):
        def write_message(self, message: dict[str, Any]) -> None:
            if message["method"] == "log":
                raise ConnectionError("gone")
            super().write_message(message)

    pipes = ironpipe.PipesContext(Params(), Loader(), Writer(Broken()))
    with pytest.raises(ConnectionError, match="gone"):
        pipes.log.info("x")
    pipes.close()


@pytest.mark.parametrize("base", ["ironpipe", "dagster_pipes"])
def test_a_subclass_of_the_file_channel_writes_in_its_own_way(base: str, tmp_path: Path) -> None:
    package: Any = {"ironpipe": ironpipe, "dagster_pipes": dagster_pipes}[base]
    seen: list[str] = []

    class Spy(package.PipesFileMessageWriterChannel):  # type: ignore[misc]
        def write_message(self, message: Any) -> None:
            seen.append(message["method"])
            super().write_message(message)

    path = tmp_path / "messages"
    pipes = ironpipe.PipesContext(Params(), Loader(), Writer(Spy(str(path))))
    everything(pipes)
    assert seen == [message["method"] for message in messages(path)]
    assert len(seen) == 8
    assert ("__ironpipe" in path.read_text()) == (base == "ironpipe")


def test_our_parts_in_the_official_session(tmp_path: Path) -> None:
    path = tmp_path / "messages"
    loader = ironpipe.PipesMappingParamsLoader(
        {
            "DAGSTER_PIPES_CONTEXT": ironpipe.encode_param({"data": SINGLE}),
            "DAGSTER_PIPES_MESSAGES": ironpipe.encode_param({"path": str(path)}),
        }
    )
    parts: list[Any] = [
        loader,
        ironpipe.PipesDefaultContextLoader(),
        ironpipe.PipesDefaultMessageWriter(),
    ]
    everything(dagster_pipes.PipesContext(*parts))
    with open_with("dagster_pipes", SINGLE, tmp_path / "theirs") as pipes:
        everything(pipes)
    ours, theirs = messages(path), messages(tmp_path / "theirs")
    assert theirs[2]["params"].pop("level") == "Level 5"
    assert ours[2]["params"].pop("level") == "DEBUG"
    assert ours == theirs
    reader = ironpipe.read_messages(path)
    assert len(list(reader)) == 8
    assert reader.report.is_complete
    assert [writer.missing for writer in reader.report.writers] == [[]]


@pytest.mark.parametrize(
    ("message", "error", "text"),
    [
        ({"method": "ReportAssetCheck", "params": {}}, "DagsterPipesError", "report_asset_check"),
        ({"method": "log", "params": {}}, "DagsterPipesError", "message"),
        ({"method": "log", "params": {"message": {1}}}, "NotJsonError", "params.message"),
        ({"method": "log"}, "KeyError", "params"),
        ({"params": {}}, "KeyError", "method"),
        ("closed", "TypeError", "Mapping"),
    ],
)
def test_what_dagster_would_refuse_is_not_written(
    message: Any, error: str, text: str, tmp_path: Path
) -> None:
    channel = ironpipe.PipesFileMessageWriterChannel(str(tmp_path / "messages"))
    with pytest.raises(Exception, match=text) as caught:
        channel.write_message(message)
    assert type(caught.value).__name__ == error
    assert (tmp_path / "messages").read_bytes() == b""


@pytest.mark.parametrize(
    "channel_class",
    [ironpipe.PipesStreamMessageWriterChannel, ironpipe.PipesBufferedStreamMessageWriterChannel],
)
def test_streams(channel_class: Any) -> None:
    raw = io.BytesIO()
    # A stream that can hold only ASCII, and lines that end in two characters.
    stream = io.TextIOWrapper(raw, encoding="ascii", newline="\r\n")
    channel = channel_class(stream)
    pipes = ironpipe.PipesContext(Params(), Loader(), Writer(channel))
    pipes.log.info("é \U0001f600 \ud800")
    early = raw.getvalue()
    pipes.close()
    if channel_class is ironpipe.PipesBufferedStreamMessageWriterChannel:
        assert early == b""
        channel.flush()
        channel.flush()
    else:
        assert early.count(b"\n") == 2
    lines = [json.loads(line) for line in raw.getvalue().splitlines()]
    assert [line["method"] for line in lines] == ["opened", "log", "closed"]
    assert lines[1]["params"]["message"] == "é \U0001f600 \ud800"
    assert [line["__ironpipe"][1] for line in lines] == [1, 2, 3]


@pytest.mark.parametrize("key", ["stdio", "buffered_stdio"])
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_the_default_writer_on_streams(
    key: str, stream: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with ironpipe.PipesDefaultMessageWriter().open({key: stream}) as channel:
        print("between")
        channel.write_message(
            {"__dagster_pipes_version": "0.1", "method": "opened", "params": {"extras": {}}}
        )
    captured = capsys.readouterr()
    text = getattr(captured, "out" if stream == "stdout" else "err")
    assert '"opened"' in text


def test_a_session_that_could_not_be_closed_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    class Buffered(Params):
        def load_messages_params(self) -> Any:
            return {"buffered_stdio": "stdout"}

    writer = ironpipe.PipesDefaultMessageWriter()
    pipes = ironpipe.PipesContext(Buffered(), Loader(), writer)
    with pytest.raises(ironpipe.DagsterPipesError, match="`stack` is missing"):
        pipes.close({"message": "m"})  # type: ignore[typeddict-item]
    assert not pipes.is_closed
    pipes.log.info("goes on")
    pipes.close()
    lines = capsys.readouterr().out.splitlines()
    methods = [ironpipe.decode_message(line.encode()).method for line in lines]
    assert methods == ["opened", "log", "closed"]


@pytest.mark.parametrize("params", [{"stdio": "stdin"}, {"bucket": "secret"}, {"path": 1}, {}])
def test_params_the_default_writer_can_not_use(params: dict[str, Any]) -> None:
    errors = []
    for package in (dagster_pipes, ironpipe):
        with pytest.raises(Exception) as caught, package.PipesDefaultMessageWriter().open(params):
            pass
        errors.append((type(caught.value).__name__, str(caught.value)))
    theirs, ours = errors
    if "bucket" in params:  # Ours names the keys and no values.
        assert ours == (theirs[0], theirs[1].replace(": 'secret'", ""))
    else:
        assert ours == theirs
