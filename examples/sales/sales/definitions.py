"""Three assets in a row: a Rust program, a Python script and a shell script make them.

Dagster knows their order by ``deps``. What they hand on lies in files, whose places they are told
as arguments; Dagster never holds a row.
"""

import os
import sys
from pathlib import Path

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient

ROOT = Path(__file__).parents[1]
STEPS = ROOT / "steps"


class Files(dg.ConfigurableResource):
    """Where the input and the results lie."""

    source: str
    directory: str

    def path(self, name: str) -> str:
        """The path of a result."""
        return str(Path(self.directory, name))


@dg.asset(
    kinds={"rust"},
    check_specs=[dg.AssetCheckSpec("rows_are_good", asset="raw_sales_data")],
)
def raw_sales_data(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient, files: Files):
    """The good rows of the CSV file, as they are. Bad ones are named in the check."""
    command = ["load_sales", files.source, files.path("raw_sales_data.csv")]
    return pipes.run(context=context, command=command).get_results()


@dg.asset(kinds={"python"}, deps=[raw_sales_data])
def cleaned_sales_data(
    context: dg.AssetExecutionContext, pipes: PipesSubprocessClient, files: Files
):
    """The same with their amounts, dates parsed and names tidied."""
    source, target = files.path("raw_sales_data.csv"), files.path("cleaned_sales_data.tsv")
    command = [sys.executable, str(STEPS / "clean.py"), source, target]
    return pipes.run(context=context, command=command).get_results()


@dg.asset(
    kinds={"shell"},
    deps=[cleaned_sales_data],
    check_specs=[dg.AssetCheckSpec("every_row_counted", asset="sales_summary")],
)
def sales_summary(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient, files: Files):
    """What each product brought in, the largest amount first."""
    source, target = files.path("cleaned_sales_data.tsv"), files.path("sales_summary.tsv")
    script = ["sh", str(STEPS / "summarize.sh"), source, target]
    command = ["ironpipe", "wrap", "--share", "--", *script]
    return pipes.run(context=context, command=command).get_results()


# What a step reported before it failed is stored, too: which rows are bad, above all.
pipes = PipesSubprocessClient(keep_partial_results=True)

files = Files(
    source=os.environ.get("SALES_CSV", str(ROOT / "sales.csv")),
    directory=os.environ.get("SALES_DATA", str(ROOT / "data")),
)

sales = dg.define_asset_job("sales", selection="*sales_summary")

schedule = dg.ScheduleDefinition(
    name="every_morning", job=sales, cron_schedule=os.environ.get("SALES_CRON", "0 6 * * *")
)

defs = dg.Definitions(
    assets=[raw_sales_data, cleaned_sales_data, sales_summary],
    jobs=[sales],
    schedules=[schedule],
    resources={"pipes": pipes, "files": files},
    # Each step is a process already, and needs no other one around it.
    executor=dg.in_process_executor,
)
