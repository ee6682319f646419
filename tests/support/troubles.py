"""The table of troubles that are acted out, as docs/reliability.md has it: `python -m tests.support.troubles`."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parents[1]
HEAD = "| trouble | outcome | acted in |\n|---|---|---|\n"


def table() -> str:
    """Write a row for each test that is marked with a trouble."""
    rows = (row for path in sorted(TESTS.rglob("test_*.py")) for row in _rows(path))
    return HEAD + "".join(rows)


def _rows(path: Path) -> Iterator[str]:
    where = path.relative_to(TESTS.parent)
    for node in ast.walk(ast.parse(path.read_text())):
        for what, outcome in _marks(node):
            yield f"| {what} | {outcome} | `{where}` |\n"


def _marks(node: ast.AST) -> Iterator[tuple[str, str]]:
    """Find `pytest.mark.trouble(what, outcome)`, on a test or on one of its parameters."""
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.trouble":
        what, outcome = (ast.literal_eval(argument) for argument in node.args)
        yield what, outcome


if __name__ == "__main__":
    sys.stdout.write(table())
