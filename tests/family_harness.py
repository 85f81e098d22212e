"""Families of processes (``processes/family.py``): started, awaited, looked after."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from dagster_harness import PROCESSES


def wait_until(condition: Callable[[], Any], *, seconds: float = 60) -> None:
    """Waits for something that nothing tells of; fails after a generous time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


class Family:
    """A family that writes into a directory."""

    def __init__(self, directory: Path, members: str):
        self.directory = directory
        self.members = members
        self.found: dict[str, psutil.Process] = {}

    def environment(self, how: str = "run", **client: Any) -> Mapping[str, str]:
        """An environment that tells ``family_assets.py`` what to do."""
        return {**os.environ, **self.tags(how, **client)}

    def tags(self, how: str = "run", **client: Any) -> Mapping[str, str]:
        """Tags of a run that tell it."""
        return {
            "FAMILY_DIRECTORY": str(self.directory),
            "FAMILY": self.members,
            "FAMILY_HOW": how,
            "FAMILY_CLIENT": json.dumps(client),
        }

    def command(self) -> list[str]:
        """What starts it."""
        script = str(PROCESSES / "family.py")
        return [sys.executable, script, str(self.directory), *self.members.split()]

    def has(self, note: str) -> bool:
        return (self.directory / note).exists()

    def wait_until_ready(self, host: "psutil.Popen | None" = None) -> None:
        """Waits until all run and asset ``a`` is reported."""

        def ready() -> bool:
            assert host is None or host.poll() is None, "the host has ended"
            return self.has("ready")

        wait_until(ready)
        self.find()

    def find(self) -> None:
        """Takes hold of those that have said who they are."""
        for path in self.directory.glob("*.pid"):
            with contextlib.suppress(psutil.NoSuchProcess):
                if path.stem not in self.found:
                    self.found[path.stem] = psutil.Process(int(path.read_text()))

    def alive(self) -> set[str]:
        """Who is alive now. Zombies are not: in a container nobody may reap them."""
        alive: set[str] = set()
        for name, process in self.found.items():
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.status() != psutil.STATUS_ZOMBIE:
                    alive.add(name)
        return alive


@contextlib.contextmanager
def family_in(directory: Path, members: str) -> Iterator[Family]:
    """A family, of which nobody outlives the block."""
    directory.mkdir(exist_ok=True)
    family = Family(directory, members)
    try:
        yield family
    finally:
        family.find()
        for process in family.found.values():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
