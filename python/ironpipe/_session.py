"""The other end of an external process, without Dagster."""

from __future__ import annotations

import os

from ironpipe._ironpipe import Session

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

__all__ = ["open_session"]


def open_session(
    context: Mapping[str, Any] | None = None,
    *,
    asset_keys: Sequence[str] | None = None,
    partition_key: str | None = None,
    extras: Mapping[str, Any] | None = None,
    run_id: str | None = None,
    job_name: str | None = None,
    retry_number: int = 0,
    include_stdio: bool = False,
) -> Session:
    """Open a session that an external process can be given, as Dagster would.

    Start the process with :attr:`Session.env` in its environment and read what it sends from
    :attr:`Session.reader`. As a context manager the session closes itself and removes its files.

    Args:
        context: The whole context, with any of its keys. It wins over the other arguments.
        asset_keys: The assets of the step, the parts of each joined by ``/``; by default it
            targets none.
        partition_key: The partition of the step; by default it is for none.
        extras: What the user passes on.
        run_id: The id of the run; by default a new one.
        job_name: The name of the job, if it has one.
        retry_number: How many times the step has been retried.
        include_stdio: Whether the process is asked to send what it prints as messages, too.

    Returns:
        The session. Its process has to be started by the caller::

            with open_session(asset_keys=["users"]) as session:
                subprocess.run(command, env={**os.environ, **session.env})
                for message in session.finish():
                    print(message)

    Raises:
        NotJsonError: JSON has no text for a value of the context; the error names its place.
        DagsterPipesError: The context is none.
        OSError: The session's files can't be made.
    """
    if context is None:
        keys = None if asset_keys is None else list(asset_keys)
        context = {
            "asset_keys": keys,
            "code_version_by_asset_key": None if keys is None else dict.fromkeys(keys),
            "provenance_by_asset_key": None if keys is None else dict.fromkeys(keys),
            "partition_key": partition_key,
            "partition_key_range": None
            if partition_key is None
            else {"start": partition_key, "end": partition_key},
            "partition_time_window": None,
            "run_id": run_id or _new_run_id(),
            "job_name": job_name,
            "retry_number": retry_number,
            "extras": {} if extras is None else dict(extras),
        }
    return Session(context, include_stdio=include_stdio)


def _new_run_id() -> str:
    """A random UUID, which is what Dagster's run ids are, without loading ``uuid`` for it."""
    digits = bytearray(os.urandom(16))
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
