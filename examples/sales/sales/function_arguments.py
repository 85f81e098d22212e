"""The other way: assets take one another as function arguments, and an I/O manager is in between.

What an asset returns is stored by its I/O manager, and loaded again for each asset that names it as
an argument. An external process writes its file itself; what its asset hands on is the file's path,
with the metadata and checks that the process reported beside it.

Take this way where the next step is Python in the same deployment and the data fits into memory:
the function then says what it works on, and a test calls it with a list. Take ``deps``, as in
``definitions.py``, where steps are external processes, or the data is large: nobody then loads what
only a process will read.

``dagster dev -m sales.function_arguments`` serves it.
"""

import csv
import tempfile
from collections import Counter
from pathlib import Path

import dagster as dg

from ironpipe.dagster import PipesSubprocessClient

from .definitions import Files, files, pipes

Rows = list[dict[str, str]]


class CsvIOManager(dg.ConfigurableIOManager):
    """Keeps rows in CSV files."""

    files: Files

    def handle_output(self, context: dg.OutputContext, obj: Path | Rows) -> None:
        """Stores rows, or takes a file that is in its place already."""
        path = path_of(self.files, context.asset_key)
        if isinstance(obj, Path):
            if obj != path:
                raise dg.Failure(f"{obj} was written, but {path} is where it is looked for")
            return
        with tempfile.NamedTemporaryFile("w", newline="", dir=path.parent, delete=False) as file:
            writer = csv.DictWriter(file, fieldnames=list(obj[0]))
            writer.writeheader()
            writer.writerows(obj)
        Path(file.name).rename(path)
        context.add_output_metadata(
            {"row_count": len(obj), "output_path": dg.MetadataValue.path(path)}
        )

    def load_input(self, context: dg.InputContext) -> Rows:
        """Loads the rows of the asset that is asked for."""
        with path_of(self.files, context.asset_key).open(newline="") as file:
            return list(csv.DictReader(file))


def path_of(files: Files, key: dg.AssetKey) -> Path:
    """Where the rows of an asset lie."""
    return Path(files.path(f"{key.path[-1]}.csv"))


@dg.asset(
    kinds={"rust"},
    io_manager_key="csv",
    check_specs=[dg.AssetCheckSpec("rows_are_good", asset="sales_rows")],
)
def sales_rows(context: dg.AssetExecutionContext, pipes: PipesSubprocessClient, files: Files):
    """The good rows of the CSV file. The Rust program writes them where the I/O manager looks."""
    target = path_of(files, context.asset_key)
    invocation = pipes.run(context=context, command=["load_sales", files.source, str(target)])
    return invocation.get_materialize_result(value=target)


@dg.asset(kinds={"python"}, io_manager_key="csv")
def revenue(sales_rows: Rows) -> Rows:
    """What each product brought in. A plain function of rows, with no file in sight."""
    amounts: Counter[str] = Counter()
    for row in sales_rows:
        amounts[row["product"]] += int(row["quantity"]) * int(row["price"])
    return [{"product": name, "amount": str(amount)} for name, amount in amounts.most_common()]


defs = dg.Definitions(
    assets=[sales_rows, revenue],
    resources={"pipes": pipes, "files": files, "csv": CsvIOManager(files=files)},
)
