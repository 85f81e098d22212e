"""The external process, from its launch to its end."""

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from .._types import StreamSink
from .command import check_command, check_environment, launch_error
from .tee import StreamTee
from .tree import ProcessTree, describe, has_group
from .watchdog import Watchdog

MARK_ENV_VAR = "IRONPIPE_PROCESS"
"""Tells what an external process has started, whoever its parent may be."""

# Once the process itself has ended, how long what it left may take before it gets SIGTERM.
_AFTERMATH_SECONDS = 1.0
# SIGKILL can't be refused, but the kernel may take its time.
_KILL_SECONDS = 5.0
# How often to look for the end of processes that are not our children: nobody tells of it.
_LOOK_SECONDS = 0.02


class ExternalProcess:
    """A running external process. Its stdout and stderr never fill up and block it.

    It leads a session and a process group of its own. So it is out of reach of Ctrl-C in this
    process's terminal, which :py:meth:`terminate` passes on; and it may still read from that
    terminal, which one in a background group may not.

    Args:
        command: As for ``subprocess.Popen``; nothing goes through a shell.
        cwd: The directory to run it in.
        env: Its whole environment.
        forward_stdio: Whether its output goes where this process's output goes (in a run: to the
            compute logs). If not, it is dropped.
        watch: Whether it is ended when this process is killed.
        sink: Takes the messages that stand in its stdout or stderr, if some do.

    Raises:
        OSError: It can't be started.
        ParameterCheckError: The command is none, or a variable is not a string.
    """

    def __init__(
        self,
        command: str | Sequence[str],
        *,
        cwd: str | None,
        env: Mapping[str, str],
        forward_stdio: bool,
        watch: bool = True,
        sink: StreamSink | None = None,
    ):
        check_command(command)
        check_environment(env)
        mark = (MARK_ENV_VAR, secrets.token_hex(8))
        sinks = {sink.stream: sink} if sink is not None else {}
        self._stderr = StreamTee(2, forward=forward_stdio, sink=sinks.get("stderr"))
        self._tees = [self._stderr]
        stdout = None if forward_stdio else subprocess.DEVNULL
        if "stdout" in sinks:
            tee = StreamTee(1, forward=forward_stdio, sink=sinks["stdout"])
            self._tees.append(tee)
            stdout = tee.write_end
        try:
            self._process = subprocess.Popen(
                command,
                cwd=cwd,
                env={**env, mark[0]: mark[1]},
                stdout=stdout,
                stderr=self._stderr.write_end,
                start_new_session=True,
            )
        except BaseException as error:
            for tee in self._tees:
                tee.abandon()
            if isinstance(error, OSError):
                raise launch_error(error, command, cwd, env) from None
            raise
        self._watchdog = Watchdog(self._process.pid) if watch else None
        self._tree = ProcessTree(self._process.pid, mark)
        for tee in self._tees:
            tee.start()

    def __enter__(self) -> "ExternalProcess":
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the watch over it. Does not end the process."""
        if self._watchdog is not None:
            self._watchdog.dismiss()
        for tee in self._tees:
            tee.release()
        if self.has_ended:
            self._process.wait()

    @property
    def has_ended(self) -> bool:
        """Whether the process itself has ended."""
        return self._look(os.WNOHANG) is not None

    @property
    def stderr_tail(self) -> str:
        """The last lines that it wrote to stderr."""
        return self._stderr.tail

    def when_ended(self, call: Callable[[], None]) -> None:
        """Has a function called in another thread when the process has ended.

        Args:
            call: The function.
        """

        def wait() -> None:
            self._look()
            call()

        threading.Thread(target=wait, name="ironpipe-process", daemon=True).start()

    def wait(self) -> int:
        """Waits for its end, and for what it printed.

        Returns:
            The return code, negative for a signal.
        """
        returncode = self._look()
        self._drain()
        return 0 if returncode is None else returncode

    def leftovers(self) -> str:
        """Describes what it left running in its group; empty where there is nothing.

        May be asked once it has ended.
        """
        self._process.wait()
        # Looking through all processes takes milliseconds, asking for the group none.
        return describe(self._tree.members()) if has_group(self._process.pid) else ""

    def terminate(
        self, steps: Sequence[tuple[signal.Signals, float]], tell: Callable[[str], None]
    ) -> None:
        """Ends it and all that it has started, by one signal after the other, SIGKILL at the end.

        What detached itself as a daemon does is left alone, and told of.

        Args:
            steps: The signals to try first, and how long to wait after each, in seconds. What
                outlives the process itself gets the next signal a second after its end.
            tell: Takes what there is to say, in words.
        """
        before = None
        for signum, seconds in (*steps, (signal.SIGKILL, _KILL_SECONDS)):
            if before is not None:
                running = describe(self._tree.members())
                tell(f"[ironpipe] still running after {before}: {running}. Sending {signum.name}.")
            self._tree.send(signum)
            if self._is_gone_within(seconds):
                break
            before = signum.name
        else:
            tell(f"[ironpipe] could not be ended: {describe(self._tree.members())}.")
        if strays := describe(self._tree.strays()):
            tell(f"[ironpipe] detached from the external process, and still running: {strays}.")
        if self.has_ended:
            self._drain()

    def _drain(self) -> None:
        for tee in self._tees:
            tee.drain()

    def _is_gone_within(self, seconds: float) -> bool:
        """Waits until nothing of the tree is left, and says whether that is so."""
        deadline = time.monotonic() + seconds
        ended = False
        while True:
            if self.has_ended:
                if not self._tree.members():
                    return True
                if not ended:
                    ended = True
                    deadline = min(deadline, time.monotonic() + _AFTERMATH_SECONDS)
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOK_SECONDS)

    def _look(self, options: int = 0) -> int | None:
        """The return code, once there is one. Waits for it, unless the options are otherwise.

        The process is not reaped, so that its number stays its own: it is the group's as well.
        """
        if self._process.returncode is not None:
            return self._process.returncode
        if sys.platform == "darwin":  # knows it only from Python 3.13 on
            return self._process.poll() if options else self._process.wait()
        try:
            state = os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOWAIT | options)
        except ChildProcessError:
            # Reaped, by the thread that ends the watch or because SIGCHLD is ignored.
            return self._process.wait()
        if state is None:
            return None
        return state.si_status if state.si_code == os.CLD_EXITED else -state.si_status
