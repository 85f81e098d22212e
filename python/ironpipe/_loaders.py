"""How the external process gets at its context. The names are those of ``dagster_pipes``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager

from ironpipe import _ironpipe
from ironpipe._checks import env_param, names, open_url
from ironpipe._errors import DagsterPipesError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from contextlib import AbstractContextManager
    from typing import Any

    from ironpipe._types import PipesContextData, PipesParams

# The type itself, with the parameters that a type checker wants to see.
_Dict: type[dict[str, Any]] = dict

__all__ = ["PipesContextLoader", "PipesDefaultContextLoader", "to_asset_key_path"]


def to_asset_key_path(asset_key: str) -> list[str]:
    r"""Return the parts of an asset key.

    Args:
        asset_key: The parts joined by ``/``. A ``\`` makes the next character an ordinary one.
    """
    return _ironpipe.asset_key_parts(asset_key)


class PipesContextLoader(ABC):
    """Loads what the orchestration process says about the step."""

    @abstractmethod
    def load_context(self, params: PipesParams) -> AbstractContextManager[PipesContextData]:
        """Return a context manager whose value is the context data.

        It is entered when the session opens and left when it closes. A method decorated with
        ``@contextmanager`` that yields the data once is what is wanted.

        Args:
            params: What the context injector of the orchestration process passed.
        """


class PipesDefaultContextLoader(PipesContextLoader):
    """Loads the context from where the params say.

    That is a file (``path``), an object in an object store (``url``, with settings in ``options``)
    or the params themselves (``data``). Where several are there the first of these wins.
    """

    FILE_PATH_KEY = "path"
    URL_KEY = "url"
    DIRECT_KEY = "data"

    @contextmanager
    def load_context(self, params: PipesParams) -> Generator[PipesContextData]:
        """Load the context and give it as the value of a context manager.

        Args:
            params: ``{"path": str}``, ``{"url": str, "options": dict | None}`` or
                ``{"data": dict}``.

        Raises:
            OSError: The file or the object can't be read.
            DagsterPipesError: It is not JSON, or larger than 64 MiB; or no such param is there.
        """
        data: Any
        if self.FILE_PATH_KEY in params:
            data = _ironpipe.read_context(env_param(params, self.FILE_PATH_KEY, str, self))
        elif self.URL_KEY in params:
            data = _loaded(env_param(params, self.URL_KEY, str, self), params, self)
        elif self.DIRECT_KEY in params:
            data = env_param(params, self.DIRECT_KEY, _Dict, self)
        else:
            raise DagsterPipesError(
                f'Invalid params for {type(self).__name__}, expected key "{self.FILE_PATH_KEY}"'
                f' or "{self.DIRECT_KEY}", received {names(params)}'
            )
        yield data


def _loaded(url: str, params: PipesParams, owner: object) -> Any:
    directory, _, key = url.rpartition("/")
    store = open_url(directory, params, owner)
    found = store.get(key)
    if found is None:
        raise DagsterPipesError(f"There is no context {key} in {store!r}.")
    # What Dagster writes may hold NaN, which only the standard library reads.
    import json

    try:
        return json.loads(found.decode())
    except ValueError as error:
        raise DagsterPipesError(f"The context {key} in {store!r} is not JSON: {error}") from error
