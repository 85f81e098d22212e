"""The client that runs an external process on this machine."""

import contextlib
import os
import signal
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

import dagster
from dagster import _check as check
from dagster_pipes import PipesExtras

from ._errors import ProcessFailedError, is_interruption
from ._handler import PipesMessageHandler
from ._injectors import PipesTempFileContextInjector
from ._invocation import PipesClientCompletedInvocation
from ._policy import OnIncomplete, check_on_incomplete
from ._process import (
    ExternalProcess,
    HeldInterrupts,
    bootstrap_environment,
)
from ._readers import PipesTempFileMessageReader
from ._session import PipesSession, op_context_of, open_pipes_session, require_results
from ._stream import ResultStream
from ._types import AnyContext, Context, Result

# How long the system may take to start a process, or to end one, before an interruption ends that,
# too.
_LAUNCH_SECONDS = 10.0
# How long what a process reported may take to be stored before an interruption ends that, too.
_STORE_SECONDS = 30.0

# The official client's text.
_INTERRUPTED = "[pipes] execution interrupted, sending SIGINT to subprocess."
_GOES_NO_FURTHER = "[ironpipe] the step goes no further, sending SIGINT to the external process."


class PipesSubprocessClient(dagster.PipesSubprocessClient):
    """Runs a command as an external process. Drop-in for ``dagster.PipesSubprocessClient``.

    Args:
        env: Variables for the process, beside those of this one.
        cwd: The directory to run it in.
        context_injector: Takes the context to it. By default
            :py:class:`PipesTempFileContextInjector`.
        message_reader: Takes the messages from it: one of ours, an official one or your own. By
            default :py:class:`PipesTempFileMessageReader`.
        forward_termination: Whether to end it, and all it has started, if the step is interrupted
            or fails: by SIGINT, then SIGTERM, then SIGKILL. If not, it runs on.
        forward_stdio: Whether its stdout and stderr go where those of this process go (in a run:
            to the compute logs).
        termination_timeout_seconds: How long to wait for its end after that SIGINT.
        kill_timeout_seconds: How long to wait after SIGTERM, before SIGKILL.
        on_incomplete: What to do where messages were lost. By default what the reader was made
            with, then the environment variable ``IRONPIPE_ON_INCOMPLETE``, then ``"fail"``.
        keep_partial_results: Whether, when the step fails, the results that did arrive are stored
            all the same.
    """

    def __init__(
        self,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
        context_injector: dagster.PipesContextInjector | None = None,
        message_reader: dagster.PipesMessageReader | None = None,
        forward_termination: bool = True,
        forward_stdio: bool = True,
        termination_timeout_seconds: float = 20,
        *,
        kill_timeout_seconds: float = 5,
        on_incomplete: OnIncomplete | None = None,
        keep_partial_results: bool = False,
    ):
        super().__init__(
            env=env,
            cwd=cwd,
            context_injector=context_injector or PipesTempFileContextInjector(),
            message_reader=message_reader or PipesTempFileMessageReader(),
            forward_termination=forward_termination,
            forward_stdio=forward_stdio,
            termination_timeout_seconds=termination_timeout_seconds,
        )
        self.kill_timeout_seconds = check.numeric_param(
            kill_timeout_seconds, "kill_timeout_seconds"
        )
        self.on_incomplete: OnIncomplete | None = check_on_incomplete(on_incomplete)
        self.keep_partial_results = keep_partial_results

    @classmethod
    def _is_dagster_maintained(cls) -> bool:
        return False

    def run(
        self,
        *,
        context: AnyContext,
        extras: PipesExtras | None = None,
        command: str | Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> PipesClientCompletedInvocation:
        """Runs a command to its end.

        Args:
            context: The context of the executing op, asset or asset check.
            extras: Anything (JSON) to hand to the process.
            command: As for ``subprocess.Popen``; nothing goes through a shell.
            env: Variables for the process, beside those of the client.
            cwd: The directory to run it in.

        Returns:
            What it reported.

        Raises:
            ProcessFailedError: It failed. Holds the delivery report and the end of its stderr.
            MessagesLostError: It did not fail, but messages were lost.
            OSError: It can't be started.
        """
        with self._launched(context, extras, command, env, cwd) as (session, process):
            process.wait()
        return PipesClientCompletedInvocation(session)

    def stream(
        self,
        *,
        context: AnyContext,
        extras: PipesExtras | None = None,
        command: str | Sequence[str],
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> ResultStream:
        """Runs a command, and gives what it reports while it goes on.

        For ``yield from client.stream(...)`` in an asset: Dagster then stores each result when it
        arrives, not when the process has ended. The process starts when the first result is asked
        for.

        Args:
            context: The context of the executing op, asset or asset check.
            extras: Anything (JSON) to hand to the process.
            command: As for ``subprocess.Popen``; nothing goes through a shell.
            env: Variables for the process, beside those of the client.
            cwd: The directory to run it in.

        Returns:
            The results, in order; at the end the implicit ones, for the selected assets that
            nothing was reported for. Then it raises what :py:meth:`run` would, or holds what
            ``run`` would return as its ``invocation``.
        """
        context = op_context_of(context)
        # Also where the stream is forgotten, and nothing runs at all.
        require_results(context)
        results = self._results(context, extras, command, env, cwd)
        return ResultStream(results, context)

    def _results(
        self,
        context: Context,
        extras: PipesExtras | None,
        command: str | Sequence[str],
        env: Mapping[str, str] | None,
        cwd: str | None,
    ) -> Generator[Result, None, PipesClientCompletedInvocation]:
        with self._launched(context, extras, command, env, cwd) as (session, process):
            handler = cast("PipesMessageHandler", session.message_handler)
            process.when_ended(handler.wake)
            while handler.wait_for_result():
                yield from handler.take_each_result()
        yield from session.get_results()
        handler.give_back_results()
        return PipesClientCompletedInvocation(session)

    @contextmanager
    def _launched(
        self,
        context: AnyContext,
        extras: PipesExtras | None,
        command: str | Sequence[str],
        env: Mapping[str, str] | None,
        cwd: str | None,
    ) -> Generator[tuple[PipesSession, ExternalProcess], None, None]:
        """Runs a command while the block runs, and sees to its end.

        An exception in the block ends the process. At the end of the block the process has ended
        well and everything it sent has been read, or there is an exception.
        """
        with (
            HeldInterrupts() as interrupts,
            open_pipes_session(
                context=context,
                context_injector=self.context_injector,
                message_reader=self.message_reader,
                extras=extras,
                on_incomplete=self.on_incomplete,
                keep_partial_results=self.keep_partial_results,
            ) as session,
            bootstrap_environment(session) as bootstrap,
        ):
            steps = (
                (signal.SIGINT, self.termination_timeout_seconds),
                (signal.SIGTERM, self.kill_timeout_seconds),
            )
            # One that came when the process runs and nobody sees to its end would leave it running.
            interrupts.hold(_LAUNCH_SECONDS)
            with ExternalProcess(
                command,
                cwd=cwd or self.cwd,
                env={**os.environ, **self.env, **(env or {}), **bootstrap},
                forward_stdio=self.forward_stdio,
                watch=self.forward_termination,
                sink=cast("PipesMessageHandler", session.message_handler).stream_sink,
            ) as process:
                tell = _Log(session.context)
                try:
                    interrupts.release()
                    yield session, process
                    returncode = process.wait()
                except BaseException as error:
                    if self.forward_termination:
                        interrupts.hold(sum(seconds for _, seconds in steps) + _STORE_SECONDS)
                        if not process.has_ended:
                            tell.info(_INTERRUPTED if is_interruption(error) else _GOES_NO_FURTHER)
                        process.terminate(steps, tell.warning)
                    raise
                # Else the watch over it may end what it has left running on purpose.
                interrupts.hold(self.kill_timeout_seconds + _LAUNCH_SECONDS)
                if returncode != 0:
                    # What a failed process has started would go on beside its retry.
                    process.terminate(steps[1:], tell.warning)
                elif leftovers := process.leftovers():
                    tell.info(f"[ironpipe] the external process left running: {leftovers}.")
            interrupts.release()
            if returncode != 0:
                raise ProcessFailedError(returncode, process.stderr_tail)


class _Log:
    """The step's log, where a message that can't be stored must stop nothing."""

    def __init__(self, context: Context):
        self._context = context

    def info(self, text: str) -> None:
        with contextlib.suppress(Exception):
            self._context.log.info(text)

    def warning(self, text: str) -> None:
        with contextlib.suppress(Exception):
            self._context.log.warning(text)
