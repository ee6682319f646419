from __future__ import annotations

from decimal import Decimal

import pytest

from nodeprov.inventory import RuntimeClassSettings
from nodeprov.quantities import parse_quantity


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("64Mi", "67108864"),
        ("64M", "64000000"),
        ("1Ki", "1024"),
        ("1k", "1000"),
        ("1.5Gi", "1610612736"),
        (".5", "0.5"),
        ("2.", "2"),
        ("50m", "0.05"),
        ("2", "2"),
        ("1T", "1000000000000"),
        ("1Ti", "1099511627776"),
        ("1P", "1e15"),
        ("1Pi", "1125899906842624"),
        ("1E", "1e18"),
        ("1Ei", "1152921504606846976"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("12e-1", "1.2"),
        ("9007199254740993", "9007199254740993"),
    ],
)
def test_a_quantity_is_read_exactly(text: str, value: str) -> None:
    assert parse_quantity(text) == Decimal(value)


@pytest.mark.parametrize("text", ["", "Mi", "64MB", "64mi", "64Kib", "0x10", "1,5", "ten", "64Mii", "m50"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(text)


def test_the_default_overhead_is_in_quantities() -> None:
    assert {name: parse_quantity(text) for name, text in RuntimeClassSettings().overhead.items()} == {
        "memory": Decimal(64 << 20),
        "cpu": Decimal("0.05"),
    }
