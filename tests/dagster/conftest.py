from collections.abc import Iterator

import dagster as dg
import pytest


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("IRONPIPE_ON_INCOMPLETE", raising=False)
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance
