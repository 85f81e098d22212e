"""The sales example through real Dagster: what comes out of it, and out of bad input."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from binaries import binary
from dagster_harness import read
from ironpipe import AssetMaterialization, Log, open_session
from sales_harness import ASSETS, EXAMPLE, EXPECTED, PATH, Project, metadata_of, started

HEADER = "date,product,quantity,price\n"
GOOD = "2024-01-01,A,1,10\n"


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", PATH)


@pytest.fixture
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(source=tmp_path / "sales.csv", data=tmp_path / "data")


def test_expected_values(project: Project, instance: dg.DagsterInstance) -> None:
    stored = Project(EXAMPLE / "sales.csv", project.data).run(instance)
    assert stored.success, stored.failure()
    found = metadata_of(stored)
    assert {key: found[key] | EXPECTED[key] for key in ASSETS} == found
    assert found["raw_sales_data"]["preview"].startswith("| date | product | quantity | price |\n")
    assert "| 2024-01-01 | A | 10 | 1000 | 10000 |\n" in found["cleaned_sales_data"]["preview"]
    files = ("raw_sales_data.csv", "cleaned_sales_data.tsv", "sales_summary.tsv")
    for key, file in zip(ASSETS, files, strict=True):
        assert found[key]["output_path"] == str(project.data / file)
        assert (project.data / file).is_file()
    assert {check.check_name: check.passed for check in stored.checks()} == {
        "rows_are_good": True,
        "every_row_counted": True,
    }
    types = {
        type(value).__name__.removesuffix("MetadataValue")
        for made in stored.materializations()
        for value in made.metadata.values()
    }
    assert types == {
        "Int", "Text", "Markdown", "Path", "Url", "Json", "Float", "Table", "TableSchema"
    }  # fmt: skip


def test_bad_rows_are_named(project: Project, instance: dg.DagsterInstance) -> None:
    project.source.write_bytes(
        (
            "\ufeffDate, product ,note,quantity,price\r\n"
            '2024-02-29,"Tea, ""green""",x,2,10\r\n'
            "\r\n"
            "2024-02-30,Tea,x,2,10\r\n"
            '2024-03-01,"Tea\nand\tcake",x,1,5\r\n'
            "2024-03-01,,x,2,10\r\n"
            "2024-03-01,Tea,x,two,10\r\n"
            "2024-03-01,Tea,x,2\r\n"
            "2024-03-01,Tea,x,2,9.99\r\n"
            "2024-03-01,Tea,x,2,10,more\r\n"
            ",,,,\r\n"
            "2024-03-02,a|b\\,x,-1,5\r\n"
            '2024-03-03,"Tea,x,1,5\r\n2024-03-04,Tea,x,1,5'
        ).encode()
    )
    stored = project.run(instance)
    assert stored.success, stored.failure()
    (check,) = (check for check in stored.checks() if check.check_name == "rows_are_good")
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.WARN
    assert check.metadata["bad_rows"].value == 8
    table = check.metadata["first_bad_rows"]
    assert isinstance(table, dg.TableMetadataValue)
    number = "is no whole number (of up to 9 digits)"
    expected = [
        (4, "date", "2024-02-30", "is no date (YYYY-MM-DD)"),
        (7, "product", "", "is missing"),
        (8, "quantity", "two", number),
        (9, "price", "", "is missing"),
        (10, "price", "9.99", number),
        (11, "", "", "has more fields than there are columns"),
        (12, "date", "", "is missing"),
        (14, "quantity", "", "is missing; the row goes on to line 15, is a quote not closed?"),
    ]
    fields = ("line", "column", "value", "reason")
    assert [tuple(record.data[f] for f in fields) for record in table.records] == expected
    rejected = (project.data / "raw_sales_data.rejected.csv").read_text().splitlines()
    assert [int(line.split(",")[0]) for line in rejected[1:]] == [row[0] for row in expected]

    found = metadata_of(stored)
    assert found["raw_sales_data"]["row_count"] == 3
    assert found["raw_sales_data"]["bad_rows"] == 8
    assert found["cleaned_sales_data"]["total_amount"] == 20
    assert (project.data / "sales_summary.tsv").read_text().splitlines()[1:] == [
        'Tea, "green"\t1\t2\t20',
        "Tea and cake\t1\t1\t5",
        "a|b\\\t1\t-1\t-5",
    ]
    products = stored.materializations()[-1].metadata["summary"]
    assert isinstance(products, dg.TableMetadataValue)
    assert [row.data["product"] for row in products.records] == [
        'Tea, "green"',
        "Tea and cake",
        "a|b\\",
    ]


def test_function_arguments(project: Project, instance: dg.DagsterInstance) -> None:
    from sales.definitions import Files, pipes
    from sales.function_arguments import CsvIOManager, defs, revenue, sales_rows

    dg.Definitions.validate_loadable(defs)

    files = Files(source=str(EXAMPLE / "sales.csv"), directory=str(project.data))
    result = dg.materialize(
        [sales_rows, revenue],
        instance=instance,
        resources={"pipes": pipes, "files": files, "csv": CsvIOManager(files=files)},
    )
    stored = read(instance, result.run_id, success=result.success)
    found = metadata_of(stored)
    assert found["sales_rows"]["row_count"] == 6
    assert found["revenue"]["row_count"] == 3
    assert [check.passed for check in stored.checks()] == [True]
    expected = [
        {"product": "B", "amount": "26000"},
        {"product": "A", "amount": "18000"},
        {"product": "C", "amount": "12500"},
    ]
    assert result.output_for_node("revenue") == expected
    assert (project.data / "revenue.csv").read_text().splitlines()[1] == "B,26000"
    assert revenue([{"product": "A", "quantity": "2", "price": "3"}]) == [
        {"product": "A", "amount": "6"}
    ]


BAD_INPUT = [
    pytest.param(None, "line 1: the file is not there", id="missing"),
    pytest.param(b"", "line 1: the file is empty; its header must be date,", id="empty"),
    pytest.param(b"\n \r\n\n", "line 1: the file is empty", id="blank"),
    pytest.param(HEADER.encode(), "line 2: there is no row behind the header", id="header-only"),
    pytest.param(
        b"date,product,quantity\n2024-01-01,A,1\n",
        "line 1: there is no column price, only date, product, quantity",
        id="column",
    ),
    pytest.param(
        f"{HEADER}{GOOD}2024-01-01,Caf\xe9,1,10\n".encode("latin-1"),
        "line 3, column product: the byte 0xE9 is not UTF-8; save the file as UTF-8",
        id="latin-1",
    ),
    pytest.param(
        f"{HEADER}{GOOD}".encode("utf-16"),
        "line 1, column 1: this is not UTF-8 but looks like UTF-16; save the file as UTF-8",
        id="utf-16",
    ),
    pytest.param(
        f"{HEADER}2024-01-01,A,1,ten\n\n".encode(),
        "line 2: from here on no row is good; see",
        id="bad-rows-only",
    ),
    pytest.param(
        f'{HEADER}{GOOD}2024-01-01,"A,1,10\n{GOOD * 100_000}'.encode(),
        "line 3: a row of more than 1048576 bytes begins here; is a quote not closed?",
        id="quote",
    ),
]


@pytest.mark.parametrize(("content", "sentence"), BAD_INPUT)
def test_bad_input(
    content: bytes | None, sentence: str, project: Project, instance: dg.DagsterInstance
) -> None:
    project.source.write_text(HEADER + GOOD)
    assert project.run(instance).success
    before = project.results()

    project.source.unlink()
    if content is not None:
        project.source.write_bytes(content)
    stored = project.run(instance)
    assert not stored.success
    assert f"{project.source}, {sentence}" in stored.failure()
    assert started(stored) == ["raw_sales_data"]
    assert stored.materializations() == []
    after = project.results()
    bad = "raw_sales_data.rejected.csv"
    assert {**after, bad: ""} == {**before, bad: ""}


def test_bad_rows_are_named_even_if_no_other_is_there(
    project: Project, instance: dg.DagsterInstance
) -> None:
    project.source.write_text(f"{HEADER}2024-01-01,A,1,ten\n")
    stored = project.run(instance)
    assert not stored.success
    (check,) = stored.checks()
    assert not check.passed
    assert check.metadata["bad_rows"].value == 1
    rejected = (project.data / "raw_sales_data.rejected.csv").read_text()
    assert rejected.splitlines()[1].startswith("2,price,ten,")


def make_sales(tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """What ``make sales`` runs once it has built everything."""
    return subprocess.run(
        [sys.executable, str(EXAMPLE / "run.py")],
        env={**os.environ, "PATH": PATH, "SALES_DATA": str(tmp_path / "data"), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_make_sales(tmp_path: Path) -> None:
    done = make_sales(tmp_path)
    assert done.returncode == 0, done.stderr
    for line in (
        "materialized raw_sales_data",
        "product_count = 3 (int)",
        "top_product = 'B' (text)",
        "top_product_amount = 26000 (int)",
        "| B | 2 | 13 | 26000 |",
        "The run succeeded.",
    ):
        assert line in done.stdout


def test_make_sales_of_a_file_that_is_not_there(tmp_path: Path) -> None:
    done = make_sales(tmp_path, SALES_CSV=str(tmp_path / "none.csv"))
    assert done.returncode == 1
    assert f"{tmp_path}/none.csv, line 1: the file is not there" in done.stdout
    assert "materialized" not in done.stdout
    assert done.stdout.endswith("The run failed.\n")


@pytest.mark.parametrize("megabytes", [50, pytest.param(1000, marks=pytest.mark.soak)])
def test_memory_is_bounded(megabytes: int, tmp_path: Path) -> None:
    """The Rust step reads from a pipe here, so that its memory can be looked at before it ends."""
    rows = "".join(f"2024-01-{1 + n % 31:02},Product {n % 7},{n},19\n" for n in range(40_000))
    bad = "2024-02-30,A,1,1\n"
    block = (rows + bad).encode()
    blocks = megabytes * 1_000_000 // len(block)
    source, target = tmp_path / "sales.csv", tmp_path / "raw.csv"
    os.mkfifo(source)
    command = [str(binary("load_sales")), str(source), str(target)]
    with open_session(asset_keys=["raw_sales_data"]) as session:
        process = subprocess.Popen(command, env={**os.environ, **session.env})
        with source.open("wb") as pipe:
            pipe.write(HEADER.encode())
            for _ in range(blocks):
                pipe.write(block)
            pipe.flush()
            status = Path(f"/proc/{process.pid}/status").read_text()
        assert process.wait(60) == 0
        messages = list(session.finish())
    assert int(status.partition("VmHWM:")[2].split()[0]) < 16 * 1024
    progress = [m.message for m in messages if isinstance(m, Log) and " MB read, " in m.message]
    assert len(progress) >= megabytes // 5
    (made,) = (m for m in messages if isinstance(m, AssetMaterialization))
    assert made.metadata["row_count"]["raw_value"] == 40_000 * blocks
    assert made.metadata["bad_rows"]["raw_value"] == blocks
    target.unlink()
