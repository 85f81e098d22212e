"""A session that is closed by hand, with an exception in the official form."""

from dagster_pipes import PipesContext, open_dagster_pipes

assert not PipesContext.is_initialized()
try:
    PipesContext.get()
except Exception as error:
    print(type(error).__name__, error)

pipes = open_dagster_pipes()
assert open_dagster_pipes() is pipes
inner = {"message": "in", "stack": [], "name": None, "cause": None, "context": None}
outer = {"message": "out\n", "stack": ["a", "b"], "name": "Out", "cause": inner, "context": None}
pipes.close(outer)
pipes.close(inner)
print(pipes.is_closed)
