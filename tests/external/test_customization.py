"""The customizations of Dagster's Pipes guide, in ours and in the official session.

Each is written three times: on the base classes of ``dagster_pipes``, on ours, and on none.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import dagster_pipes
import pytest

import ironpipe
from external.parts import PACKAGES, SINGLE

SESSIONS = {"dagster_pipes": dagster_pipes.PipesContext, "ironpipe": ironpipe.PipesContext}


class Cloud:
    """A service that keeps text under a key."""

    def __init__(self) -> None:
        self.objects: dict[str, str] = {"the/context": json.dumps(SINGLE)}
        self.metadata = {"pipes": [{"key": "the/context"}, {"key_prefix": "messages"}]}

    def read(self, key: str) -> str:
        return self.objects[key]

    def write(self, key: str, text: str) -> None:
        self.objects[key] = text

    def messages(self) -> list[dict[str, Any]]:
        keys = sorted(
            (key for key in self.objects if key.startswith("messages/")),
            key=lambda key: int(key.removeprefix("messages/").removesuffix(".json")),
        )
        lines = "\n".join(self.objects[key] for key in keys).splitlines()
        found = [json.loads(line) for line in lines]
        for message in found:
            message.pop("__ironpipe", None)
        return found


class Nothing:
    """The base classes of a user who has none."""

    PipesParamsLoader = PipesContextLoader = PipesMessageWriter = PipesMessageWriterChannel = object


BASES = {"dagster_pipes": dagster_pipes, "ironpipe": ironpipe, "none": Nothing}


def params_loader(base: Any, cloud: Cloud) -> Any:
    class Loader(base.PipesParamsLoader):  # type: ignore[misc]
        def is_dagster_pipes_process(self) -> bool:
            return "pipes" in cloud.metadata

        def load_context_params(self) -> Any:
            return cloud.metadata["pipes"][0]

        def load_messages_params(self) -> Any:
            return cloud.metadata["pipes"][1]

    return Loader()


def context_loader(base: Any, cloud: Cloud) -> Any:
    class Loader(base.PipesContextLoader):  # type: ignore[misc]
        @contextmanager
        def load_context(self, params: Any) -> Iterator[Any]:
            yield json.loads(cloud.read(params["key"]))

    return Loader()


def message_writer(base: Any, cloud: Cloud) -> Any:
    """One that sends each message at once, as an object of its own."""

    class Channel(base.PipesMessageWriterChannel):  # type: ignore[misc]
        def __init__(self, prefix: str) -> None:
            self.prefix = prefix
            self.written = 0

        def write_message(self, message: Any) -> None:
            self.written += 1
            cloud.write(f"{self.prefix}/{self.written}.json", json.dumps(message))

    class Writer(base.PipesMessageWriter):  # type: ignore[misc]
        @contextmanager
        def open(self, params: Any) -> Iterator[Any]:
            yield Channel(params["key_prefix"])
            cloud.write("left", "yes")

        def get_opened_extras(self) -> Any:
            return {"region": "moon"}

        if base is Nothing:

            def get_opened_payload(self) -> Any:
                return {"extras": self.get_opened_extras()}

    return Writer()


def blob_writer(cloud: Cloud) -> Any:
    """The guide's: chunks that a thread uploads from time to time, and at the end."""

    class Channel(dagster_pipes.PipesBlobStoreMessageWriterChannel):
        def __init__(self, key_prefix: str) -> None:
            super().__init__()
            self.key_prefix = key_prefix

        def upload_messages_chunk(self, payload: IO[str], index: int) -> None:
            cloud.write(f"{self.key_prefix}/{index}.json", payload.read())

    class Writer(dagster_pipes.PipesBlobStoreMessageWriter[Any]):
        def make_channel(self, params: Any) -> Any:
            return Channel(key_prefix=params["key_prefix"])

    return Writer()


def work(pipes: Any) -> None:
    pipes.log.info("for %s", pipes.asset_key)
    pipes.report_custom_message({"extra": pipes.get_extra("limit")})
    pipes.report_asset_check("fine", True, metadata={"rows": 3})
    pipes.report_asset_materialization({"some_metric": {"raw_value": "1", "type": "text"}}, "v1")


@pytest.fixture(autouse=True)
def nobody_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    for session in SESSIONS.values():
        monkeypatch.setattr(session, "_instance", None)


def opened(package: str, **parts: Any) -> Any:
    module: Any = {"dagster_pipes": dagster_pipes, "ironpipe": ironpipe}[package]
    return module.open_dagster_pipes(**parts)


@pytest.mark.parametrize("base", BASES)
def test_custom_parts(base: str) -> None:
    sent = []
    for package in PACKAGES:
        cloud = Cloud()
        with opened(
            package,
            params_loader=params_loader(BASES[base], cloud),
            context_loader=context_loader(BASES[base], cloud),
            message_writer=message_writer(BASES[base], cloud),
        ) as pipes:
            assert isinstance(pipes, SESSIONS[package])
            work(pipes)
            # Each is there when the call returns.
            assert cloud.messages()[-1]["method"] == "report_asset_materialization"
        assert cloud.read("left") == "yes"
        sent.append(cloud.messages())
    theirs, ours = sent
    assert ours == theirs
    assert [message["method"] for message in ours][:2] == ["opened", "log"]
    assert ours[0]["params"] == {"extras": {"region": "moon"}}
    assert ours[-1]["method"] == "closed"


@pytest.mark.parametrize("package", PACKAGES)
def test_outside_dagster_by_a_custom_loader(package: str) -> None:
    cloud = Cloud()
    cloud.metadata.clear()
    with pytest.warns(Warning, match="was not launched by"):
        pipes = opened(package, params_loader=params_loader(BASES["none"], cloud))
    work(pipes)
    assert cloud.messages() == []


def test_a_custom_blob_store_writer() -> None:
    sent = []
    for package in PACKAGES:
        cloud = Cloud()
        with opened(
            package,
            params_loader=params_loader(dagster_pipes, cloud),
            context_loader=context_loader(ironpipe, cloud),
            message_writer=blob_writer(cloud),
        ) as pipes:
            work(pipes)
        sent.append(cloud.messages())
    theirs, ours = sent
    assert ours == theirs
    assert len(ours) == 6


def test_a_value_that_a_blob_store_writer_would_die_of_later() -> None:
    cloud = Cloud()
    with opened(
        "ironpipe",
        params_loader=params_loader(ironpipe, cloud),
        context_loader=context_loader(ironpipe, cloud),
        message_writer=blob_writer(cloud),
    ) as pipes:
        with pytest.raises(ironpipe.NotJsonError, match=r"set .*: payload\[1\]"):
            pipes.report_custom_message([1, {2}])
        with pytest.raises(ironpipe.NotJsonError, match=r"metadata\['rows'\]"):
            pipes.report_asset_materialization({"rows": object()})
        work(pipes)
    assert len(cloud.messages()) == 6


def test_a_report_that_a_custom_channel_failed_to_send_can_be_made_again() -> None:
    for package in PACKAGES:
        cloud = Cloud()
        with opened(
            package,
            params_loader=params_loader(ironpipe, cloud),
            context_loader=context_loader(ironpipe, cloud),
            message_writer=message_writer(ironpipe, cloud),
        ) as pipes:
            write = cloud.write
            cloud.write = None  # type: ignore[assignment,method-assign]
            with pytest.raises(TypeError, match="not callable"):
                pipes.report_asset_materialization({"a": 1})
            cloud.write = write  # type: ignore[method-assign]
            pipes.report_asset_materialization({"a": 1})
            with pytest.raises(Exception, match="has already been materialized"):
                pipes.report_asset_materialization({"a": 1})
        methods = [message["method"] for message in cloud.messages()]
        assert methods == ["opened", "report_asset_materialization", "closed"]


def test_what_a_custom_writer_does_at_its_end_is_done_though_the_last_message_fails() -> None:
    cloud = Cloud()
    pipes = opened(
        "ironpipe",
        params_loader=params_loader(ironpipe, cloud),
        context_loader=context_loader(ironpipe, cloud),
        message_writer=message_writer(ironpipe, cloud),
    )
    write = cloud.write

    def failing(key: str, text: str) -> None:
        if '"closed"' in text:
            raise ConnectionError("gone")
        write(key, text)

    cloud.write = failing  # type: ignore[method-assign]
    with pytest.raises(ConnectionError, match="gone"):
        pipes.close()
    assert pipes.is_closed
    assert cloud.read("left") == "yes"


@pytest.mark.parametrize("package", PACKAGES)
def test_our_stock_parts_in_both(
    package: str, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "messages"
    monkeypatch.setenv("DAGSTER_PIPES_CONTEXT", ironpipe.encode_param({"data": SINGLE}))
    monkeypatch.setenv("DAGSTER_PIPES_MESSAGES", ironpipe.encode_param({"path": str(path)}))
    with opened(
        package,
        params_loader=ironpipe.PipesEnvVarParamsLoader(),
        context_loader=ironpipe.PipesDefaultContextLoader(),
        message_writer=ironpipe.PipesDefaultMessageWriter(),
    ) as pipes:
        assert isinstance(pipes, SESSIONS[package])
        work(pipes)
    reader = ironpipe.read_messages(path)
    assert len(list(reader)) == 6
    assert reader.report.is_complete
    assert reader.report.unnumbered == 0


@pytest.mark.parametrize("package", PACKAGES)
def test_our_log_writer_in_a_writer_of_theirs(package: str) -> None:
    cloud = Cloud()

    class Writer(type(message_writer(dagster_pipes, cloud))):  # type: ignore[misc]
        @contextmanager
        def open(self, params: Any) -> Iterator[Any]:
            with (
                super().open(params) as channel,
                ironpipe.PipesDefaultLogWriter(channel, interval=0.01).open({}),
            ):
                yield channel

    with opened(
        package,
        params_loader=params_loader(dagster_pipes, cloud),
        context_loader=context_loader(dagster_pipes, cloud),
        message_writer=Writer(),
    ) as pipes:
        os.write(1, b"printed\n")
        work(pipes)
    said = [
        message["params"]["text"]
        for message in cloud.messages()
        if message["method"] == "log_external_stream"
    ]
    assert "".join(said) == "printed\n"
    if package == "ironpipe":
        assert cloud.messages()[-1]["method"] == "closed"
