"""The client that runs an external process on this machine."""

import os
from collections.abc import Mapping, Sequence

import dagster
from dagster import PipesClientCompletedInvocation
from dagster._core.errors import DagsterExecutionInterruptedError
from dagster_pipes import PipesExtras

from ._bootstrap import bootstrap_environment
from ._errors import ProcessFailedError
from ._policy import OnIncomplete, check_on_incomplete
from ._process import ExternalProcess
from ._readers import PipesTempFileMessageReader
from ._session import open_pipes_session
from ._types import AnyContext


class PipesSubprocessClient(dagster.PipesSubprocessClient):
    """Runs a command as an external process. Drop-in for ``dagster.PipesSubprocessClient``.

    Args:
        env: Variables for the process, beside those of this one.
        cwd: The directory to run it in.
        context_injector: Takes the context to it. By default
            ``dagster.PipesTempFileContextInjector``.
        message_reader: Takes the messages from it: one of ours, an official one or your own. By
            default :py:class:`PipesTempFileMessageReader`.
        forward_termination: Whether to send it SIGINT if this process is interrupted.
        forward_stdio: Whether its stdout and stderr go where those of this process go (in a run:
            to the compute logs).
        termination_timeout_seconds: How long to wait for its end after that SIGINT.
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
        on_incomplete: OnIncomplete | None = None,
        keep_partial_results: bool = False,
    ):
        super().__init__(
            env=env,
            cwd=cwd,
            context_injector=context_injector,
            message_reader=message_reader or PipesTempFileMessageReader(),
            forward_termination=forward_termination,
            forward_stdio=forward_stdio,
            termination_timeout_seconds=termination_timeout_seconds,
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
        with (
            open_pipes_session(
                context=context,
                context_injector=self.context_injector,
                message_reader=self.message_reader,
                extras=extras,
                on_incomplete=self.on_incomplete,
                keep_partial_results=self.keep_partial_results,
            ) as session,
            bootstrap_environment(session) as bootstrap,
            ExternalProcess(
                command,
                cwd=cwd or self.cwd,
                env={**os.environ, **self.env, **(env or {}), **bootstrap},
                forward_stdio=self.forward_stdio,
            ) as process,
        ):
            try:
                returncode = process.wait()
            except DagsterExecutionInterruptedError:
                if self.forward_termination:
                    self._forward_termination(context, process)
                raise
            if returncode != 0:
                raise ProcessFailedError(returncode, process.stderr_tail)
        return PipesClientCompletedInvocation(session)

    def _forward_termination(self, context: AnyContext, process: ExternalProcess) -> None:
        context.log.info("[pipes] execution interrupted, sending SIGINT to subprocess.")
        if not process.interrupt(self.termination_timeout_seconds):
            context.log.warning(
                "[pipes] the subprocess did not end within"
                f" {self.termination_timeout_seconds} seconds of SIGINT; it may still be running."
            )
