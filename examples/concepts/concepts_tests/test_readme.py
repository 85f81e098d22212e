"""Holds the table of the README true. Run as a program, it corrects the line numbers."""

import ast
import re
from pathlib import Path

PROJECT = Path(__file__).parent.parent
README = PROJECT / "README.md"
ROW = re.compile(
    r"^\| (?P<concept>[^|]+) \| `(?P<text>[^|]+)` "
    r"\| \[(?P<shown>\S+):\d+\]\((?P<file>\S+)#L\d+\) "
    r"\| \[`(?P<test>test_\w+)`\]\((?P<test_file>\S+)\) \|$",
    re.MULTILINE,
)


def line_of(row: re.Match[str]) -> int:
    """The number of the one line that says what the row says."""
    lines = (PROJECT / row["file"]).read_text().splitlines()
    found = [number for number, line in enumerate(lines, 1) if row["text"] in line]
    assert len(found) == 1, f"{row['file']} has {row['text']!r} in lines {found}, not in one"
    return found[0]


def corrected(readme: str) -> str:
    """The README with the line numbers as they are."""

    def correct(row: re.Match[str]) -> str:
        place = f"[{row['file']}:{line_of(row)}]({row['file']}#L{line_of(row)})"
        return re.sub(r"\[\S+:\d+\]\(\S+#L\d+\)", place, row[0])

    return ROW.sub(correct, readme)


def names_of_tests(file: Path) -> set[str]:
    """The tests that a file defines."""
    body = ast.parse(file.read_text()).body
    functions = {node.name for node in body if isinstance(node, ast.FunctionDef)}
    return {name for name in functions if name.startswith("test_")}


def test_each_row_names_its_line():
    readme = README.read_text()
    assert readme == corrected(readme), f"mend it: python {Path(__file__).relative_to(PROJECT)}"


def test_each_row_names_a_test_that_exists():
    for row in ROW.finditer(README.read_text()):
        assert row["test"] in names_of_tests(PROJECT / row["test_file"]), row["concept"]


def test_each_test_stands_in_a_row():
    named = {row["test"] for row in ROW.finditer(README.read_text())}
    files = set(PROJECT.glob("concepts_tests/test_*.py")) - {Path(__file__)}
    missing = {name for file in files for name in names_of_tests(file)} - named
    assert not missing, "each test shows a concept, so each has a row"


def test_all_rows_are_read():
    table = README.read_text().partition("| concept |")[2]
    rows = [line for line in table.splitlines()[2:] if line.startswith("|")]
    assert [row[0] for row in ROW.finditer(table)] == rows


if __name__ == "__main__":
    README.write_text(corrected(README.read_text()))
