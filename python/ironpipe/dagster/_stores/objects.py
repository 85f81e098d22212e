"""What a client of a store's provider is made into, and what is common to all of them."""

import importlib
import secrets
from abc import abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import dagster
from dagster_pipes import PipesContextData, PipesParams

from ironpipe import _ironpipe
from ironpipe._ironpipe import dumps

from .._delivery import Delivery

if TYPE_CHECKING:
    from ironpipe import DeliveryReport

CONTEXT_FILENAME = "context.json"


class Objects(Protocol):
    """A store, through a client. What it raises passes, or is reported: it is called again."""

    @property
    def location(self) -> str:
        """Where it is, for people."""
        ...

    def put(self, key: str, data: bytes) -> None:
        """Stores an object."""
        ...

    def get(self, key: str) -> bytes | None:
        """The object, or None where there is none.

        Raises:
            AccessDeniedError: It may be that there is none, it may be that nobody may read it.
        """
        ...

    def remove(self, key: str) -> None:
        """Removes an object, if there is one."""
        ...


Store: TypeAlias = "_ironpipe.ChunkStore | Objects"
"""A store of the engine's, or through a client."""


class AccessDeniedError(Exception):
    """What some stores say of an object that is not there, to who may not list what is there."""


def chunk_store(store: Store) -> _ironpipe.ChunkStore:
    """The same store, for the engine.

    Args:
        store: The store.
    """
    if isinstance(store, _ironpipe.ChunkStore):
        return store
    return _ironpipe.ChunkStore.of(store, location=store.location)


def token() -> str:
    """A name that no other session has, whatever seed the step gives to its random numbers."""
    return secrets.token_hex(16)


def official(package: str, module: str, *names: str) -> list[Any]:
    """The official classes that ours are subclasses of.

    Args:
        package: The distribution that has them.
        module: Its module.
        names: Their names.

    Raises:
        ModuleNotFoundError: The package is not there, or something that it needs.
        ImportError: It is too old to have them.
    """
    try:
        home = importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"ironpipe.dagster needs {package} for {names[0]}, and can't import it ({error}):"
            f" pip install {package}. StoreMessageReader and StoreContextInjector need no package"
            " of a store's provider.",
            name=error.name,
        ) from error
    try:
        return [getattr(home, name) for name in names]
    except AttributeError as error:
        raise ImportError(
            f"{package} is too old for ironpipe.dagster ({error}): pip install -U {package}"
        ) from error


class GuardedObjects:
    """A store of one session that may not be able to tell whether there is a chunk.

    Args:
        objects: The store.
        delivery: The session's.
    """

    def __init__(self, objects: Objects, delivery: Delivery) -> None:
        self._objects = objects
        self._delivery = delivery
        self._denied: Exception | None = None

    @property
    def location(self) -> str:
        """Where the store is."""
        return self._objects.location

    def put(self, key: str, data: bytes) -> None:
        """Not for readers.

        Args:
            key: Its key.
            data: What it holds.
        """
        self._objects.put(key, data)

    def get(self, key: str) -> bytes | None:
        """Fetches a chunk.

        Args:
            key: Its key.
        """
        try:
            found = self._objects.get(key)
        except AccessDeniedError as error:
            self._denied = error
            return None
        if found is not None:
            self._denied = None
        return found

    def remove(self, key: str) -> None:
        """Removes an object.

        Args:
            key: Its key.
        """
        self._objects.remove(key)

    def settle(self, report: "DeliveryReport") -> None:
        """Enters what was counted, and where nothing tells a missing chunk from a forbidden one.

        Args:
            report: The final report of the session.
        """
        self._delivery.finish(report)
        if self._denied is not None and not 0 < report.opened <= report.closed:
            error = PermissionError(
                f"{self._denied}. This may mean that there is no further chunk, or that it may"
                " not be read. Allow the orchestration process to read the objects, and to list"
                " them, which tells one from the other."
            )
            self._delivery.fail_of(self._delivery.name, error)


class ObjectContextInjector(dagster.PipesContextInjector):
    """The base of injectors that put the context into a store as an object, a new one a session.

    The object is removed when the session closes.
    """

    @abstractmethod
    def place(self) -> tuple[Store, str, PipesParams]:
        """Where the context of one session goes: the store, the key, and the params for it."""

    def remove(self, store: Store, key: str) -> None:
        """Removes the context of one session.

        Args:
            store: Where it lies.
            key: Its key.
        """
        chunk_store(store).remove(key)

    @contextmanager
    def inject_context(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, context: PipesContextData
    ) -> Generator[PipesParams, None, None]:
        """Puts the context into the store, and removes it when the session closes.

        Args:
            context: The context.

        Yields:
            The params that lead to it.

        Raises:
            NotJsonError: JSON has no text for a value of the context; the error names its place.
            OSError: The store refused, for 30 s or for good.
        """
        data = dumps(context, "")
        store, key, params = self.place()
        chunk_store(store).put(key, data)
        try:
            yield params
        finally:
            try:
                self.remove(store, key)
            except Exception as error:
                # Nothing that was reported is lost by it.
                dagster.get_dagster_logger().warning(
                    f"[ironpipe] {type(self).__name__} could not remove the context of the"
                    f" session: {error}"
                )


class BucketContextInjector(ObjectContextInjector):
    """The base of injectors that tell the official loaders for buckets where the context is."""

    bucket: str
    client: Any
    key_prefix: str | None = None

    @abstractmethod
    def objects(self) -> Objects:
        """The objects of the bucket."""

    def place(self) -> tuple[Store, str, PipesParams]:
        """Where the context of one session goes: the store, the key, and the params for it."""
        key = f"{self.key_prefix or ''}{token()}/{CONTEXT_FILENAME}"
        return self.objects(), key, {"bucket": self.bucket, "key": key}
