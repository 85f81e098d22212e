"""The channels, each for itself."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import stores
from channel_harness import SDKS, Place
from proxy import Proxy

# Channels, each with the server that it needs.
KINDS = {"file": "", "directory": "", "objects": "", "s3": "moto", "boto3": "moto"}
# Those whose servers `make test-servers` installs.
SERVERS = {
    "s3-seaweed": "seaweed",
    "boto3-seaweed": "seaweed",
    "gs": "fake_gcs",
    "gcs": "fake_gcs",
    "az": "azurite",
    "azure": "azurite",
}
_numbers = itertools.count()

Start = Callable[[str], stores.Environment]


@pytest.fixture(scope="session")
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts servers, each when first asked for; gives what leads to it."""
    started: dict[str, stores.Environment] = {}
    with ExitStack() as stack:

        def start(name: str) -> stores.Environment:
            if name not in started:
                server = (
                    stores.moto()
                    if name == "moto"
                    else getattr(stores, name)(tmp_path_factory.mktemp(name))
                )
                started[name] = stack.enter_context(server)
            return started[name]

        yield start


@pytest.fixture
def lead_to(start: Start, monkeypatch: pytest.MonkeyPatch) -> Start:
    """Starts a server, and has the environment lead to it."""

    def lead_to(name: str) -> stores.Environment:
        environment = start(name)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, value)
        return environment

    return lead_to


@pytest.fixture
def s3(lead_to: Start) -> str:
    """The address of an S3 that has a bucket, which the environment leads to."""
    pytest.importorskip("moto")
    return lead_to("moto")["AWS_ENDPOINT_URL"]


@pytest.fixture
def make_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Place]:
    def make_place(name: str) -> Place:
        if server := (KINDS | SERVERS)[name]:
            request.getfixturevalue("lead_to")(server)
        kind = name.partition("-")[0]
        number = next(_numbers)
        here = tmp_path / str(number)
        match kind:
            case "file":
                return Place(kind, {"path": str(here)})
            case "directory":
                here.mkdir()
                return Place(kind, {"path": str(here)})
            case "objects":
                return Place(kind, {"root": str(here)})
            case _:
                params = {"bucket": stores.BUCKET, "key_prefix": f"sessions/{number}"}
                if kind in SDKS:
                    return Place(kind, params)
                return Place(kind, {"url": f"{kind}://{stores.BUCKET}/sessions/{number}"})

    return make_place


def cases(names: Iterable[str]) -> list[Any]:
    """Names of places as cases of a test."""
    return [
        pytest.param(name, marks=[pytest.mark.servers] if name in SERVERS else []) for name in names
    ]


ALL = [*KINDS, *SERVERS]


@pytest.fixture(params=cases(ALL))
def place(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture(params=cases(ALL[1:]))
def chunked(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture(params=cases(name for name in ALL if name.partition("-")[0] in SDKS))
def by_sdk(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture(params=cases(name for name in ALL if KINDS.get(name, SERVERS.get(name))))
def bucket(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture(params=cases(name for name in ALL if name.partition("-")[0] in ("s3", "gs", "az")))
def by_url(request: pytest.FixtureRequest, make_place: Callable[[str], Place]) -> Place:
    return make_place(request.param)


@pytest.fixture
def before(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], AbstractContextManager[Proxy]]:
    """Puts a proxy before what a variable of the environment leads to."""

    @contextmanager
    def before(variable: str) -> Iterator[Proxy]:
        with Proxy(os.environ[variable]).running() as proxy:
            monkeypatch.setenv(variable, proxy.address)
            yield proxy

    return before
