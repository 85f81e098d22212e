"""The message handler of our sessions: a message that Dagster refuses stops no other."""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from typing import Any, Literal, cast

import dagster
from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetKey,
    AssetsDefinition,
)
from dagster._core.errors import DagsterPipesExecutionError
from dagster._utils.error import ExceptionInfo
from dagster_pipes import PipesExtras, PipesMessage, PipesOpenedData, PipesParams

import ironpipe

from ._bulk import BulkLogs, bulk_logs
from ._closings import Closings
from ._errors import ExternalError, is_interruption
from ._events import step_context_of
from ._intake import Intake, Taker, wire
from ._ledger import Ledger
from ._partial import HandedOut
from ._results import materialize_result
from ._types import Context, EngineMessage, Result, StreamSink


class PipesMessageHandler(Taker, dagster.PipesMessageHandler):
    """Turns messages into Dagster events, and keeps account of those that it cannot turn.

    What the official handler raises kills the thread that reads, and every later message with it.
    This one enters the refusal in its ledger, which fails the step at its end, and goes on.

    Args:
        context: The context of the executing op or asset.
        message_reader: The reader that hands over the messages.
    """

    def __init__(
        self,
        context: Context,
        message_reader: dagster.PipesMessageReader,
    ) -> None:
        super().__init__(context, message_reader)
        self._ledger = Ledger()
        self.intake = Intake(self._take_all, self._ledger)
        self._logs: BulkLogs | None = None
        self.closings = Closings()
        """Which writers have closed; in a composite session each reader has its own."""
        self.shortcuts: Mapping[type, Callable[[Any], None]] = {
            ironpipe.Log: self._take_log,
            ironpipe.CustomMessage: self._take_custom_message,
            ironpipe.AssetMaterialization: self._take_materialization,
        }
        """What takes a message of a class that comes in numbers, while no writer has closed.

        What it raises is for the ledger.
        """
        self.exception: ExternalError | None = None
        """What the external process closed with, if that was an exception."""
        self.stream_sink: StreamSink | None = None
        """Takes the stream of the process that carries the messages, where one does."""
        # How many results were handed out while the session was open.
        self._taken = 0
        self.in_hand: HandedOut | None = None
        """The result that the step is at, where it takes them one by one."""
        # Whether somebody waits for a result, and whether nobody is to wait for one any more.
        self._awaited = self._awake = False
        # What the step can take, asked for once; None in an op without assets.
        self._asset_keys: AbstractSet[AssetKey] | None = None
        self._check_names: Mapping[AssetKey, AbstractSet[str]] = {}
        # What was reported of them; Dagster takes each once.
        self._entered: set[AssetKey | AssetCheckKey] = set()
        self._keys: dict[str, AssetKey] = {}
        self._selected_checks: AbstractSet[AssetCheckKey] = frozenset()
        if context.has_assets_def:
            self._asset_keys = context.selected_asset_keys
            self._check_names = _check_names(context.assets_def)
            self._selected_checks = context.selected_asset_check_keys

    @property
    def ledger(self) -> Ledger:
        """The account of this session."""
        return self._ledger

    @contextmanager
    def handle_messages(self) -> Generator[PipesParams, None, None]:
        """Reads while the block runs, and the rest at its end.

        Yields:
            The params of the reader.
        """
        with bulk_logs(self._context, self._ledger) as self._logs:
            try:
                with super().handle_messages() as params:
                    try:
                        yield params
                    except BaseException as error:
                        if self._logs is not None and is_interruption(error):
                            self._logs.hurry()
                        raise
            finally:
                self._logs = None
                for report in self.intake.reports():
                    self._ledger.add_report(type(self._message_reader).__name__, report)

    @property
    def logs(self) -> BulkLogs | None:
        """What takes log messages while the reader reads; None where they go one by one."""
        return self._logs

    def _take_all(self, messages: Sequence[Any]) -> None:
        for message in messages:
            self.take(message)
        if self._logs is not None:
            self._logs.flush_in_time()

    def take(self, message: EngineMessage, closings: Closings | None = None) -> None:
        """Handles one message that the engine has decoded. A refusal goes into the ledger.

        Args:
            message: The message.
            closings: Which writers have closed of the reader that it comes from, where the session
                has several.
        """
        try:
            if (closings or self.closings).is_late(message):
                self._context.log.warning(
                    f"[pipes] unexpected message received after closed: `{wire(message)}`"
                )
            shortcut = self.shortcuts.get(type(message))
            if shortcut is not None:
                shortcut(message)
            elif message.method == "opened":
                self._handle_opened(cast("PipesOpenedData", message.params))
            elif message.method == "closed":
                self._handle_closed(message.params)
            elif message.method == "report_asset_check":
                self._handle_report_asset_check(**message.params)
            else:
                self._handle_log_external_stream(**message.params)
        except Exception as error:
            self._ledger.refuse(wire(message), error)

    def _take_log(self, message: ironpipe.Log) -> None:
        if self._logs is None:
            self._handle_log(message.message, message.level)
        else:
            self._logs.write(message.message, message.level, message.sent_at)

    def _take_custom_message(self, message: ironpipe.CustomMessage) -> None:
        # Nobody waits for one, so the queue's lock and its signal are not needed.
        self._extra_msg_queue.queue.append(message.payload)

    def _take_materialization(self, message: ironpipe.AssetMaterialization) -> None:
        self._handle_report_asset_materialization(**message.params)

    def report_pipes_framework_exception(self, origin: str, exc_info: ExceptionInfo) -> None:
        """Called by a reader whose thread dies.

        Args:
            origin: What died.
            exc_info: What it died of.
        """
        self._ledger.fail(origin, exc_info[1])
        if step_context_of(self._context) is not None:
            super().report_pipes_framework_exception(origin, exc_info)

    def take_results(self) -> Sequence[Result]:
        """The results that were not handed out yet; from now on they are."""
        results = self.get_remaining_results()
        self._taken += len(results)
        return results

    def take_each_result(self) -> Iterator[Result]:
        """The same, but each counts as handed out only when it is asked for."""
        for result in self.get_remaining_results():
            self.in_hand = HandedOut(result, time.time())
            self._taken += 1
            yield result
            self.in_hand = None

    def give_back_results(self) -> None:
        """Forgets which results were handed out."""
        self._taken = 0

    def wait_for_result(self) -> bool:
        """Waits until there is a result that was not handed out, or :py:meth:`wake` was called.

        Returns:
            Whether to go on waiting after that result: False once ``wake`` was called.
        """
        results = self._result_queue
        # The lock itself: an interruption in a condition's `__enter__` would leave it locked.
        with results.mutex:
            self._awaited = True
            results.not_empty.wait_for(lambda: self._awake or len(results.queue) > self._taken)
            return not self._awake

    def wake(self) -> None:
        """Ends the waiting for results, now and later."""
        with self._result_queue.mutex:
            self._awake = True
            self._result_queue.not_empty.notify_all()

    def get_remaining_results(self) -> Sequence[Result]:
        """The results that were not handed out yet. May be asked again."""
        return self.get_reported_results()[self._taken :]

    def _handle_closed(self, params: Mapping[str, Any] | None) -> None:
        if params and params.get("exception"):
            # Of several writers the main one is the last to close.
            self.exception = ExternalError(params["exception"])
            if step_context_of(self._context) is None:
                # Direct invocation: there is no event log for the exception to go to.
                self._context.log.error(
                    "[pipes] external process pipes closed with exception:"
                    f" {params['exception']['message']}"
                )
                params = None
        super()._handle_closed(params)

    def _handle_log_external_stream(
        self, stream: Literal["stdout", "stderr"], text: str, extras: PipesExtras | None = None
    ) -> None:
        if self._logs is not None:
            self._logs.show()
        super()._handle_log_external_stream(stream, text, extras)

    # Dagster refuses a result that the step has no place for only when it is yielded, and the
    # results behind it are lost with it. So it is refused here, where it stands alone.

    def _handle_report_asset_materialization(
        self,
        asset_key: str,
        metadata: Mapping[str, Any] | None,
        data_version: str | None,
    ) -> None:
        key = self._admit_asset(asset_key)
        if data_version is not None:
            # Dagster makes a hash of it, which a lone surrogate would end.
            data_version.encode()
        result = materialize_result(key, metadata, data_version)
        # As `put` does, which tells a waiter even where there is none: most of its time.
        with self._result_queue.mutex:
            self._result_queue.queue.append(result)
            if self._awaited:
                self._result_queue.not_empty.notify()
        self._entered.add(key)

    def _handle_report_asset_check(
        self,
        asset_key: str,
        check_name: str,
        passed: bool,
        severity: str,
        metadata: Mapping[str, Any],
    ) -> None:
        key = self._admit_check(asset_key, check_name)
        super()._handle_report_asset_check(asset_key, check_name, passed, severity, metadata)
        self._entered.add(key)

    def _admit_asset(self, asset_key: str) -> AssetKey:
        """Raises what Dagster says of an asset that the step does not have, or has had already."""
        key = self._keys.get(asset_key)
        if key is None:
            key = self._keys[asset_key] = AssetKey.from_escaped_user_string(asset_key)
        if self._asset_keys is None:
            return key
        if key not in self._asset_keys:
            known = ", ".join(sorted(key.to_escaped_user_string() for key in self._asset_keys))
            raise DagsterPipesExecutionError(
                f"Invalid asset key. Expected one of `[{known}]`, got `{asset_key}`."
            )
        if key in self._entered:
            raise DagsterPipesExecutionError(
                f"Asset `{asset_key}` has already been materialized; a step can do so once."
            )
        return key

    def _admit_check(self, asset_key: str, check_name: str) -> AssetCheckKey:
        """Raises what Dagster says of a check that the step does not have, or has had already."""
        key = AssetCheckKey(AssetKey.from_escaped_user_string(asset_key), check_name)
        if self._asset_keys is None:
            return key
        result = AssetCheckResult(asset_key=key.asset_key, check_name=check_name, passed=True)
        result.resolve_target_check_key(self._check_names)
        # One that is not selected Dagster lets through, however often.
        if key in self._entered and key in self._selected_checks:
            raise DagsterPipesExecutionError(
                f"Check `{check_name}` of asset `{asset_key}` has already been reported;"
                " a step can do so once."
            )
        return key


def _check_names(assets_def: AssetsDefinition) -> Mapping[AssetKey, AbstractSet[str]]:
    """The checks that a step may report: also those that are not selected."""
    names: dict[AssetKey, set[str]] = {}
    for spec in assets_def.node_check_specs_by_output_name.values():
        names.setdefault(spec.asset_key, set()).add(spec.name)
    return names


def taker_of(handler: dagster.PipesMessageHandler) -> Callable[[EngineMessage], None]:
    """What takes a message that the engine has decoded, for a handler.

    Args:
        handler: Ours, or one that knows the wire alone.
    """
    take = getattr(handler, "take", None)
    return take or (lambda message: handler.handle_message(cast("PipesMessage", wire(message))))


def find_handler(handler: object) -> PipesMessageHandler | None:
    """Our own handler, also where Dagster's composite reader wraps it.

    Args:
        handler: What a reader was handed.

    Returns:
        None for an official or a user's handler.
    """
    while handler is not None and not isinstance(handler, PipesMessageHandler):
        handler = getattr(handler, "_handler", None)
    return handler
