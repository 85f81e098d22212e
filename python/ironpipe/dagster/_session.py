"""The session: what stands around the launch of an external process."""

# Dagster leaves the types of its results half open.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import dagster
from dagster import AssetCheckExecutionContext, MaterializeResult, MetadataValue
from dagster._core.pipes.context import build_external_execution_context_data
from dagster._core.pipes.utils import _FAIL_TO_YIELD_ERROR_MESSAGE
from dagster_pipes import PipesExtras

from ._errors import is_interruption
from ._handler import PipesMessageHandler
from ._ledger import Silence
from ._partial import store_partial_results
from ._policy import OnIncomplete, check_on_incomplete, resolve_on_incomplete
from ._settle import never_masking, settle
from ._types import AnyContext, Context, Result
from ._words import count


@dataclass
class PipesSession(dagster.PipesSession):
    """A session of :py:func:`open_pipes_session`.

    Differs from the official one in what :py:meth:`get_results` gives while the session is open.
    """

    is_open: bool = field(default=False, init=False, repr=False)
    """Whether messages may still arrive."""

    def get_results(
        self,
        *,
        implicit_materializations: bool = True,
        metadata: Mapping[str, MetadataValue] | None = None,
    ) -> Sequence[Result]:
        """The results to yield now.

        While the session is open: those that arrived since the last call, and never implicit
        ones, since the asset may still be reported. After it: the rest, however often it is asked
        for, with the implicit ones for the assets that were not reported at all.

        Args:
            implicit_materializations: After the session, whether to make a result for each
                selected asset that nothing was reported for.
            metadata: Attached to each result.
        """
        handler = self.message_handler
        if not isinstance(handler, PipesMessageHandler):
            return super().get_results(
                implicit_materializations=implicit_materializations, metadata=metadata
            )
        results = list(handler.take_results() if self.is_open else handler.get_remaining_results())
        if implicit_materializations and not self.is_open:
            reported = {
                result.asset_key
                for result in handler.get_reported_results()
                if isinstance(result, MaterializeResult)
            }
            results.extend(
                MaterializeResult(asset_key=key)
                for key in self.context.selected_asset_keys
                if key not in reported
            )
        return tuple(self._inject_metadata_into_results(results, metadata or {}))


@contextmanager
def open_pipes_session(
    context: AnyContext,
    context_injector: dagster.PipesContextInjector,
    message_reader: dagster.PipesMessageReader,
    extras: PipesExtras | None = None,
    *,
    on_incomplete: OnIncomplete | None = None,
    keep_partial_results: bool = False,
) -> Generator[PipesSession, None, None]:
    """Opens a session, to be put around the launch of an external process.

    Drop-in for ``dagster.open_pipes_session``. When the block ends, everything that was sent has
    been read; where messages were lost, the step fails.

    Args:
        context: The context of the executing op, asset or asset check.
        context_injector: Takes the context to the external process.
        message_reader: Takes the messages from it: one of ours, an official one or your own.
        extras: Anything (JSON) to hand to the external process.
        on_incomplete: What to do where messages were lost. By default what the reader was made
            with, then the environment variable ``IRONPIPE_ON_INCOMPLETE``, then ``"fail"``.
        keep_partial_results: Whether, when the step fails, the results that did arrive and were
            not yet handed out by :py:meth:`PipesSession.get_results` are stored all the same.

    Yields:
        The session.

    Raises:
        MessagesLostError: Messages were lost, and no other exception is ending the block.
    """
    context = op_context_of(context)
    policy = resolve_on_incomplete(
        check_on_incomplete(on_incomplete), getattr(message_reader, "on_incomplete", None)
    )
    require_results(context)
    context_data = build_external_execution_context_data(context, extras)
    handler = PipesMessageHandler(context, message_reader)
    session: PipesSession | None = None
    failure: BaseException | None = None
    try:
        with (
            context_injector.inject_context(context_data) as injector_params,
            handler.handle_messages() as reader_params,
        ):
            session = PipesSession(
                context_data=context_data,
                message_handler=handler,
                context_injector_params=injector_params,
                message_reader_params=reader_params,
                context=context,
            )
            session.is_open = True
            yield session
    except BaseException as error:
        failure = error
        raise
    finally:
        if session is not None:
            session.is_open = False

        def before_failure() -> None:
            if keep_partial_results:
                # An interruption comes before, while or after Dagster stores what it was given.
                in_hand = handler.in_hand if is_interruption(failure) else None
                store_partial_results(context, handler.get_remaining_results(), in_hand)

        try:
            # Without a session nothing was launched that could have said something.
            if session is not None:
                with never_masking(failure):
                    _warn_of_silence(context, context_injector, message_reader, handler)
        finally:
            settle(
                handler.ledger.outcome(
                    opened=handler.received_opened_message,
                    closed=handler.received_closed_message,
                ),
                context=context,
                on_incomplete=policy,
                error=failure,
                exception=handler.exception,
                before_failure=before_failure,
            )


def op_context_of(context: AnyContext) -> Context:
    """The context that Dagster's own Pipes functions take."""
    if isinstance(context, AssetCheckExecutionContext):
        return context.op_execution_context
    return context


def require_results(context: Context) -> None:
    """The official defence against results that were forgotten: the step fails without them."""
    if context.has_assets_def:
        context.set_requires_typed_event_stream(error_message=_FAIL_TO_YIELD_ERROR_MESSAGE)


def _warn_of_silence(
    context: Context,
    context_injector: dagster.PipesContextInjector,
    message_reader: dagster.PipesMessageReader,
    handler: PipesMessageHandler,
) -> None:
    """The official warnings, with their official texts; of several writers one each.

    That nothing came is said only where that is so.
    """
    silences = handler.ledger.silences(
        opened=handler.received_opened_message, closed=handler.received_closed_message
    )
    if silences and not handler.received_opened_message:
        reader = type(message_reader).__name__
        silences = [Silence("opened", reader, message_reader.no_messages_debug_text())]
    for silence in silences:
        if silence.missing == "opened":
            came = 0 if handler.received_opened_message else handler.ledger.delivered
            what = f"opened message, but {count(came, 'other')}," if came else "any messages"
            context.log.warning(
                f"[pipes] did not receive {what} from external process. Check stdout / stderr"
                " logs from the external process if possible.\n"
                f"{type(context_injector).__name__}: {context_injector.no_messages_debug_text()}\n"
                f"{silence.whose}: {silence.debug_text}\n"
            )
        else:
            context.log.warning(
                "[pipes] did not receive closed message from external process. Buffered messages"
                " may have been discarded without being delivered. Use `open_dagster_pipes` as a"
                " context manager (a with block) to ensure that cleanup is successfully completed."
                " If that is not possible, manually call `PipesContext.close()` before process"
                " exit." + (f"\nThis is {silence.whose}." if silence.whose else "")
            )
