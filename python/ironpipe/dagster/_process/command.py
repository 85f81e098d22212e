"""The command of an external process, and in words what is wrong with it."""

import errno
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast

from dagster._check import ParameterCheckError


def check_command(command: object) -> None:
    """Refuses what is no command. Shows no arguments: they may be secret.

    Raises:
        ParameterCheckError: It is none.
    """
    if isinstance(command, (str, bytes, os.PathLike)):
        parts: Sequence[object] = [cast("object", command)]
    elif isinstance(command, Sequence):
        parts = cast("Sequence[object]", command)
    else:
        raise ParameterCheckError(
            "command must be a program or a sequence of it and its arguments;"
            f" got {type(command).__name__}."
        )
    if not parts or not parts[0]:
        raise ParameterCheckError("command names no program: it is empty.")
    for place, part in enumerate(parts):
        if not isinstance(part, (str, bytes, os.PathLike)):
            raise ParameterCheckError(
                f"command[{place}] must be a string; got {type(part).__name__}."
            )


def check_environment(env: Mapping[str, object]) -> None:
    """Refuses an environment that no process can have. Shows no values.

    Raises:
        ParameterCheckError: A variable is not a string.
    """
    for name, value in env.items():
        if not isinstance(value, (str, bytes, os.PathLike)):
            raise ParameterCheckError(
                f"env[{name!r}] must be a string; got {type(value).__name__}."
            )


def launch_error(
    error: OSError, command: str | Sequence[str], cwd: str | None, env: Mapping[str, str]
) -> OSError:
    """The error of a command that can't be started, in words.

    The operating system has the same few for a program, its interpreter and the directory.

    Args:
        error: What it says.
        command: The command.
        cwd: The directory to run it in.
        env: The environment of the process.

    Returns:
        An error of the same kind, which shows no arguments and no values of the environment.
    """
    if error.errno == errno.E2BIG:
        return OSError(error.errno, _too_long(env))
    if cwd is not None and not Path(cwd).is_dir():
        return _cannot_start(error, "there is no such directory to run it in", cwd)
    program = os.fsdecode(command if isinstance(command, (str, bytes, os.PathLike)) else command[0])
    place = Path(cwd or "", program)
    match error.errno:
        case errno.ENOENT if isinstance(command, str) and " " in command and not place.exists():
            why = "a string names a program alone; with arguments it takes a list"
            return _cannot_start(error, why, command.split(" ")[0] + " …")
        case errno.ENOENT if os.sep not in program:
            return _cannot_start(error, "there is no such program on the PATH", program)
        case errno.ENOENT if place.exists():
            return _cannot_start(error, "the interpreter in its first line is not there", program)
        case errno.ENOENT:
            return _cannot_start(error, "there is no such file", str(place))
        case errno.ENOEXEC:
            return _cannot_start(error, "its first line names no interpreter (#!)", program)
        case errno.EACCES:
            return _cannot_start(error, "it may not be executed (chmod +x)", program)
        case _:
            return _cannot_start(error, error.strerror or "", program)


def _cannot_start(error: OSError, why: str, name: str) -> OSError:
    return OSError(error.errno, f"The external process can't be started: {why}", name)


def _too_long(env: Mapping[str, str]) -> str:
    """What "Argument list too long" means where it is not the arguments."""
    sizes = sorted(((len(os.fsencode(value)), name) for name, value in env.items()), reverse=True)
    largest = ", ".join(f"{name} ({size:,} bytes)" for size, name in sizes[:3])
    return (
        "The arguments and the environment of the external process are more than the operating"
        f" system takes. The largest variables are {largest}."
    )
