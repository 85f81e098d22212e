"""Cleans the rows: dates are parsed, names tidied, amounts computed.

It reads a row, writes a row and keeps nothing else but sums. The result is separated by tabs, which
no cleaned name holds, so that any tool reads it. By hand: ``python clean.py SOURCE TARGET``.
"""

import csv
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import TextIO

from ironpipe import open_dagster_pipes

COLUMNS = {
    "date": "date",
    "product": "string",
    "quantity": "int",
    "price": "int",
    "amount": "int",
}
SHOWN = 5


def main(source: Path, target: Path) -> None:
    """Writes the cleaned rows and reports what they are."""
    with open_dagster_pipes() as pipes:
        first, last = date.max, date.min
        rows: Counter[str] = Counter()
        total = 0
        preview = ["| " + " | ".join(COLUMNS) + " |", "|" + " --- |" * len(COLUMNS)]
        with replaced(target) as out:
            out.write("\t".join(COLUMNS) + "\n")
            for day, product, quantity, price in cleaned(source):
                amount = quantity * price
                cells = [str(cell) for cell in (day, product, quantity, price, amount)]
                out.write("\t".join(cells) + "\n")
                rows[product] += 1
                total += amount
                first, last = min(first, day), max(last, day)
                if rows.total() <= SHOWN:
                    preview.append("| " + " | ".join(c.replace("|", r"\|") for c in cells) + " |")
        count = rows.total()
        pipes.log.info(f"{count} rows from {first} to {last}, {total} in all")
        pipes.report_asset_materialization(
            metadata={
                "row_count": count,
                "total_amount": total,
                "average_amount": total / count,
                "date_range": f"{first} ~ {last}",
                "rows_by_product": {"raw_value": dict(rows.most_common(100)), "type": "json"},
                "output_path": {"raw_value": str(target), "type": "path"},
                "preview": {"raw_value": "\n".join(preview), "type": "md"},
                # The name by which Dagster knows it, and shows the columns of the asset.
                "dagster/column_schema": {
                    "raw_value": {"columns": [column(*pair) for pair in COLUMNS.items()]},
                    "type": "table_schema",
                },
            }
        )


def cleaned(source: Path) -> Iterator[tuple[date, str, int, int]]:
    """The rows of the step before, which has seen to it that each is whole."""
    with source.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            # Tabs and newlines become blanks, and so do several of them.
            product = " ".join(row["product"].split())
            yield date.fromisoformat(row["date"]), product, int(row["quantity"]), int(row["price"])


def column(name: str, kind: str) -> dict[str, object]:
    """A column of a table, in Dagster's form."""
    return {"name": name, "type": kind}


@contextmanager
def replaced(path: Path) -> Iterator[TextIO]:
    """A file to write, which takes the place of ``path`` once it is whole, or never."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=".unfinished-", delete=False
    ) as file:
        try:
            yield file
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).rename(path)
        except BaseException:
            Path(file.name).unlink()
            raise


if __name__ == "__main__":
    try:
        main(*map(Path, sys.argv[1:]))
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there: materialize raw_sales_data first")
