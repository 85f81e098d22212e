"""The session of an external process. The names are those of ``dagster_pipes``.

The rules (which asset key, what may be reported when, which accessor applies) are the engine's;
this module gives them the official shape.
"""

from __future__ import annotations

import os
import sys
from _thread import RLock, allocate_lock
from contextlib import ExitStack

from ironpipe import _ironpipe
from ironpipe._channels import captures, engine_channel
from ironpipe._errors import DagsterPipesWarning

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from typing import Any, ClassVar, Protocol

    from ironpipe._types import (
        PipesAssetCheckSeverity,
        PipesContextData,
        PipesDataProvenance,
        PipesException,
        PipesExtras,
        PipesMetadataRawValue,
        PipesMetadataValue,
        PipesParams,
        PipesPartitionKeyRange,
        PipesTimeWindow,
    )

    class ParamsLoader(Protocol):
        """What is asked of a params loader; one written for ``dagster_pipes`` has it."""

        def is_dagster_pipes_process(self) -> bool: ...
        def load_context_params(self) -> PipesParams: ...
        def load_messages_params(self) -> PipesParams: ...

    class ContextLoader(Protocol):
        """What is asked of a context loader; one written for ``dagster_pipes`` has it."""

        def load_context(self, params: PipesParams) -> AbstractContextManager[Any]: ...

    class MessageWriter(Protocol):
        """What is asked of a message writer; one written for ``dagster_pipes`` has it."""

        def open(self, params: PipesParams) -> AbstractContextManager[Any]: ...
        def get_opened_payload(self) -> Any: ...


__all__ = ["PipesContext", "open_dagster_pipes"]

# Held while the logger is loaded and while the process forks: a child must not wait for a module
# that a thread it does not have was loading.
_loading = allocate_lock()

# Held while a session is opened, so that of several threads one opens it and all get it. A loader
# may ask for the session itself.
_opening = RLock()


def _before_fork() -> None:
    _loading.acquire()
    # Who forks by multiprocessing has loaded it.
    if "multiprocessing.util" in sys.modules:
        from ironpipe._multiprocessing import close_in_forked_children

        close_in_forked_children(_close_with_process)


def _after_fork_in_child() -> None:
    global _opening
    _loading.release()
    # A thread that the child does not have may have been opening one.
    _opening = RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_before_fork,
        after_in_parent=_loading.release,
        after_in_child=_after_fork_in_child,
    )


def _close_with_process() -> None:
    """Close what this process has opened, or what would be lost with it of its parent's session."""
    context = PipesContext._instance
    # The stand-in has an answer to everything, but it is none of these.
    if isinstance(context, PipesContext) and (
        context._process == os.getpid() or getattr(context._message_channel, "holds_back", False)
    ):
        context.close()


def open_dagster_pipes(
    *,
    context_loader: ContextLoader | None = None,
    message_writer: MessageWriter | None = None,
    params_loader: ParamsLoader | None = None,
) -> PipesContext:
    """Open the session that Dagster has prepared for this process.

    A second call gives the same session while it is open, and opens again once it is closed, so
    that one process can serve many sessions.

    In a process that Dagster has not launched it warns once and returns a stand-in, on which every
    call does nothing.

    Args:
        context_loader: Loads the context; by default :class:`PipesDefaultContextLoader`.
        message_writer: Opens the channel; by default :class:`PipesDefaultMessageWriter`.
        params_loader: Loads what Dagster passed; by default :class:`PipesEnvVarParamsLoader`.

    Returns:
        The session, which is also what :meth:`PipesContext.get` returns from then on.

    Raises:
        DagsterPipesError: What Dagster passed can't be read.
        OSError: The context or the channel can't be opened.
    """
    with _opening:
        if PipesContext.is_initialized():
            context = PipesContext.get()
            # The stand-in has an answer to everything, but it is never True.
            if context.is_closed is not True:
                return context
        context = _open(context_loader, message_writer, params_loader)
        PipesContext.set(context)
        return context


def _open(
    context_loader: ContextLoader | None,
    message_writer: MessageWriter | None,
    params_loader: ParamsLoader | None,
) -> PipesContext:
    if params_loader is None:
        from ironpipe._params import PipesEnvVarParamsLoader

        params_loader = PipesEnvVarParamsLoader()
    if not params_loader.is_dagster_pipes_process():
        return _stand_in()
    if context_loader is None:
        from ironpipe._loaders import PipesDefaultContextLoader

        context_loader = PipesDefaultContextLoader()
    if message_writer is None:
        from ironpipe._writers import PipesDefaultMessageWriter

        message_writer = PipesDefaultMessageWriter()
    return PipesContext(params_loader, context_loader, message_writer)


def _stand_in() -> PipesContext:
    import warnings
    from unittest.mock import MagicMock

    warnings.warn(
        "This process was not launched by a Dagster orchestration process. All calls to the"
        " `dagster-pipes` context or attempts to initialize `dagster-pipes` abstractions"
        " are no-ops.",
        category=DagsterPipesWarning,
        stacklevel=4,
    )
    stand_in: Any = MagicMock()
    return stand_in


class PipesContext:
    """The session of an external process: what Dagster says about the step, and the way back.

    Open one with :func:`open_dagster_pipes`. It may be used from any thread, and a forked child
    may go on using it. As a context manager it closes itself, with the exception if there is one.
    """

    _instance: ClassVar[PipesContext | None] = None

    @classmethod
    def is_initialized(cls) -> bool:
        """Whether a session has been opened in this process (it may have been closed since)."""
        return cls._instance is not None

    @classmethod
    def set(cls, context: PipesContext) -> None:
        """Make ``context`` the one that :meth:`get` returns."""
        cls._instance = context

    @classmethod
    def get(cls) -> PipesContext:
        """Return the session that was opened last.

        Raises:
            Exception: None has been opened.
        """
        if cls._instance is None:
            raise Exception(
                "PipesContext has not been initialized. You must call `open_dagster_pipes()`."
            )
        return cls._instance

    def __init__(
        self,
        params_loader: ParamsLoader,
        context_loader: ContextLoader,
        message_writer: MessageWriter,
    ) -> None:
        context_params = params_loader.load_context_params()
        messages_params = params_loader.load_messages_params()
        self._logger: logging.Logger | None = None
        self._process = os.getpid()
        # What is open if a later step fails is closed again.
        with ExitStack() as stack:
            self._data: PipesContextData = stack.enter_context(
                context_loader.load_context(context_params)
            )
            begun = len(captures)
            channel = stack.enter_context(message_writer.open(messages_params))
            self._captures = captures[begun:]
            self._message_channel = channel
            self._engine = _ironpipe.Context(self._data, engine_channel(channel))
            self._engine.opened(message_writer.get_opened_payload())
            self._io_stack = stack.pop_all()
        if "multiprocessing.util" in sys.modules:
            from ironpipe._multiprocessing import close_at_the_end

            close_at_the_end(_close_with_process)

    def __enter__(self) -> PipesContext:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if exc_type is not None and exc_value is not None and traceback is not None:
            from ironpipe._exceptions import describe

            self.close(describe(exc_value))
        else:
            self.close()

    def close(self, exc: PipesException | None = None) -> None:
        """Send the last message and close the channel. Further calls do nothing.

        Args:
            exc: What went wrong, if anything did; see :class:`PipesException`.

        Raises:
            DagsterPipesError: Dagster would refuse ``exc``. The session stays open.
            OSError: The message can't be written. The session is closed all the same.
        """
        if self._engine.is_closed:
            return
        # Each step is done, whichever fails before it: what was printed is sent, then the last
        # message, then the channel closes.
        with ExitStack() as steps:
            steps.callback(self._leave)
            steps.callback(self._engine.close, exc)
            for stop in self._captures:
                steps.callback(stop)

    def _leave(self) -> None:
        # With an exception that Dagster would refuse, the session stays open.
        if self._engine.is_closed:
            self._io_stack.close()

    @property
    def is_closed(self) -> bool:
        """Whether the session has been closed."""
        return self._engine.is_closed

    # What Dagster says about the step.

    @property
    def is_asset_step(self) -> bool:
        """Whether the step targets assets."""
        self._engine.check_access("is_asset_step")
        return self._data["asset_keys"] is not None

    @property
    def asset_key(self) -> str:
        """The one asset of the step, its parts joined by ``/``.

        Raises:
            DagsterPipesError: The step targets none or several.
        """
        self._engine.check_access("asset_key")
        return (self._data["asset_keys"] or [""])[0]

    @property
    def asset_keys(self) -> Sequence[str]:
        """The assets of the step.

        Raises:
            DagsterPipesError: It targets none.
        """
        self._engine.check_access("asset_keys")
        return self._data["asset_keys"] or []

    @property
    def provenance(self) -> PipesDataProvenance | None:
        """What the one asset of the step was last made from, if that is known.

        Raises:
            DagsterPipesError: The step targets no asset or several.
        """
        self._engine.check_access("provenance")
        return next(iter((self._data["provenance_by_asset_key"] or {}).values()))

    @property
    def provenance_by_asset_key(self) -> Mapping[str, PipesDataProvenance | None]:
        """What each asset of the step was last made from.

        Raises:
            DagsterPipesError: The step targets no assets.
        """
        self._engine.check_access("provenance_by_asset_key")
        return self._data["provenance_by_asset_key"] or {}

    @property
    def code_version(self) -> str | None:
        """The code version of the one asset of the step, if it has one.

        Raises:
            DagsterPipesError: The step targets no asset or several.
        """
        self._engine.check_access("code_version")
        return next(iter((self._data["code_version_by_asset_key"] or {}).values()))

    @property
    def code_version_by_asset_key(self) -> Mapping[str, str | None]:
        """The code version of each asset of the step.

        Raises:
            DagsterPipesError: The step targets no assets.
        """
        self._engine.check_access("code_version_by_asset_key")
        return self._data["code_version_by_asset_key"] or {}

    @property
    def is_partition_step(self) -> bool:
        """Whether the step is for one or more partitions."""
        self._engine.check_access("is_partition_step")
        return self._data["partition_key_range"] is not None

    @property
    def partition_key(self) -> str:
        """The one partition of the step.

        Raises:
            DagsterPipesError: It is for none or several.
        """
        self._engine.check_access("partition_key")
        return self._data["partition_key"] or ""

    @property
    def partition_key_range(self) -> PipesPartitionKeyRange:
        """The first and the last partition of the step.

        Raises:
            DagsterPipesError: It is for none.
        """
        self._engine.check_access("partition_key_range")
        return self._data["partition_key_range"]  # pyright: ignore[reportReturnType]

    @property
    def partition_time_window(self) -> PipesTimeWindow | None:
        """The span of time of the step's partitions; None where they are not of time.

        Raises:
            DagsterPipesError: The step is for no partition.
        """
        self._engine.check_access("partition_time_window")
        return self._data["partition_time_window"]

    @property
    def run_id(self) -> str:
        """The id of the run."""
        self._engine.check_access("run_id")
        return self._data["run_id"]

    @property
    def job_name(self) -> str | None:
        """The name of the run's job, if it has one."""
        self._engine.check_access("job_name")
        return self._data["job_name"]

    @property
    def retry_number(self) -> int:
        """How many times the step has been retried within the run."""
        self._engine.check_access("retry_number")
        return self._data["retry_number"]

    def get_extra(self, key: str) -> Any:
        """Return one of the extras that the user has passed on the orchestration side.

        Args:
            key: Its name.

        Raises:
            DagsterPipesError: There is none of that name.
        """
        self._engine.check_extra(key)
        return self._data["extras"][key]

    @property
    def extras(self) -> Mapping[str, Any]:
        """All extras that the user has passed on the orchestration side."""
        self._engine.check_access("extras")
        return self._data["extras"]

    # The way back. Each message is written when the call returns.

    def report_asset_materialization(
        self,
        metadata: Mapping[str, PipesMetadataRawValue | PipesMetadataValue] | None = None,
        data_version: str | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Report that an asset has been materialized.

        Args:
            metadata: By name: a raw value, whose type Dagster picks, or
                ``{"raw_value": …, "type": …}`` with one of :data:`PipesMetadataType`.
            data_version: The version of the data, if it is known.
            asset_key: The asset; needed where the step targets several.

        Raises:
            DagsterPipesError: Dagster would refuse it: no or an unknown asset, one that has been
                reported, metadata of the wrong type, a closed session. Nothing is written.
            NotJsonError: JSON has no text for a value; the error names its place.
            OSError: It can't be written.
        """
        self._engine.report_asset_materialization(metadata, data_version, asset_key)

    def report_asset_check(
        self,
        check_name: str,
        passed: bool,
        severity: PipesAssetCheckSeverity = "ERROR",
        metadata: Mapping[str, PipesMetadataRawValue | PipesMetadataValue] | None = None,
        asset_key: str | None = None,
    ) -> None:
        """Report the result of an asset check.

        Args:
            check_name: The name of the check.
            passed: Whether it passed.
            severity: ``"WARN"`` or ``"ERROR"``.
            metadata: As for :meth:`report_asset_materialization`.
            asset_key: The asset; needed where the step targets several.

        Raises:
            DagsterPipesError: Dagster would refuse it. Nothing is written.
            NotJsonError: JSON has no text for a value; the error names its place.
            OSError: It can't be written.
        """
        self._engine.report_asset_check(check_name, passed, severity, metadata, asset_key)

    def report_custom_message(self, payload: Any) -> None:
        """Send any value to the orchestration process, for its ``get_custom_messages``.

        Args:
            payload: Anything that JSON has.

        Raises:
            DagsterPipesError: The session is closed.
            NotJsonError: JSON has no text for a value; the error names its place.
            OSError: It can't be written.
        """
        self._engine.report_custom_message(payload)

    def log_external_stream(
        self, stream: str, text: str, extras: PipesExtras | None = None
    ) -> None:
        """Send output of a program as it is.

        Args:
            stream: ``"stdout"`` or ``"stderr"``.
            text: The output.
            extras: What else the orchestration side should know of it.

        Raises:
            DagsterPipesError: The session is closed, or the stream is another.
            OSError: It can't be written.
        """
        self._engine.log_external_stream(stream, text, extras)

    @property
    def log(self) -> logging.Logger:
        """A logger whose messages go to Dagster."""
        if self._logger is None:
            with _loading:
                from ironpipe._logger import PipesLogger

                self._logger = self._logger or PipesLogger(self._engine)
        return self._logger
