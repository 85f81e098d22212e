"""Stores of which three requests in ten fail."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import ironpipe
from channel_harness import Place, finished, logs
from chunk_faults import at_random
from proxy import Proxy

# What leads the engine to a store of each kind.
ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}


def test_all_messages_arrive_in_order(
    by_url: Place, before: Callable[[str], AbstractContextManager[Proxy]]
) -> None:
    with before(ENDPOINTS[by_url.kind]) as proxy:
        proxy.plan = at_random(1)
        reader = by_url.reader()
        with by_url.open() as pipes:
            assert isinstance(next(reader), ironpipe.Opened)
            # What has arrived is behind: each is a chunk.
            for number in range(3):
                pipes.log.info("%s", number)
                assert next(reader).params["message"] == str(number)
            for number in range(3, 300):
                pipes.log.info("%s", number)
        assert logs(finished(reader)) == [str(number) for number in range(3, 300)]
        assert reader.report.is_complete and not reader.report.unclosed, str(reader.report)
        assert proxy.broken
