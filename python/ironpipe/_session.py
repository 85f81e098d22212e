"""The other end of an external process, without Dagster."""

from __future__ import annotations

from ironpipe._ironpipe import Session, new_context

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
        TypeError: ``asset_keys`` is a string, not a list of them.
        OSError: The session's files can't be made.
    """
    if isinstance(asset_keys, str):
        raise TypeError(f"asset_keys takes a list of keys: [{asset_keys!r}], not {asset_keys!r}")
    if context is None:
        context = new_context(asset_keys, partition_key, run_id, job_name, retry_number)
        context["extras"] = dict(extras or {})
    return Session(context, include_stdio=include_stdio)
