"""An external process that reports the context it got, as the official library reads it."""

from dagster_pipes import open_dagster_pipes

if __name__ == "__main__":
    with open_dagster_pipes() as pipes:
        pipes.report_custom_message(dict(pipes._data))
