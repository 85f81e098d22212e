"""Runs the sales example."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from binaries import IRONPIPE
from dagster_harness import Stored, read

EXAMPLE = Path(__file__).parents[1] / "examples" / "sales"

# The steps find `load_sales`, `ironpipe` and the interpreter there.
PATH = f"{IRONPIPE.parent}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

ASSETS = ("raw_sales_data", "cleaned_sales_data", "sales_summary")

# What the file that comes with the example holds.
EXPECTED = {
    "raw_sales_data": {
        "row_count": 6,
        "columns": "date, product, quantity, price",
        "bad_rows": 0,
        "format": "https://www.rfc-editor.org/rfc/rfc4180",
    },
    "cleaned_sales_data": {
        "row_count": 6,
        "total_amount": 56500,
        "average_amount": 56500 / 6,
        "date_range": "2024-01-01 ~ 2024-01-03",
        "rows_by_product": {"A": 2, "B": 2, "C": 2},
    },
    "sales_summary": {
        "product_count": 3,
        "top_product": "B",
        "top_product_amount": 26000,
        "summary_table": (
            "| product | rows | quantity | amount |\n"
            "| --- | ---: | ---: | ---: |\n"
            "| B | 2 | 13 | 26000 |\n"
            "| A | 2 | 18 | 18000 |\n"
            "| C | 2 | 25 | 12500 |\n"
        ),
    },
}


@dataclass(frozen=True)
class Project:
    """The assets with an input and a directory of their own."""

    source: Path
    data: Path

    def run(self, instance: dg.DagsterInstance, **kwargs: Any) -> Stored:
        """Materializes all three."""
        from sales.definitions import (
            Files,
            cleaned_sales_data,
            pipes,
            raw_sales_data,
            sales_summary,
        )

        files = Files(source=str(self.source), directory=str(self.data))
        result = dg.materialize(
            [raw_sales_data, cleaned_sales_data, sales_summary],
            instance=instance,
            resources={"pipes": pipes, "files": files},
            raise_on_error=False,
            **kwargs,
        )
        return read(instance, result.run_id, success=result.success)

    def results(self) -> dict[str, str]:
        """What lies in the directory."""
        if not self.data.exists():
            return {}
        return {path.name: path.read_text() for path in self.data.iterdir()}


def metadata_of(stored: Stored) -> dict[str, dict[str, Any]]:
    """What each asset was materialized with, as plain values."""
    return {
        made.asset_key.to_user_string(): {key: value.value for key, value in made.metadata.items()}
        for made in stored.materializations()
    }


def started(stored: Stored) -> list[str]:
    """The steps that ran, or tried to."""
    return [str(event.step_key) for event in stored.events(dg.DagsterEventType.STEP_START)]
