from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.inventory import RuntimeClassSettings
from nodeprov.kubernetes.quantities import canonical, parse_quantity


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
        ("50000u", "0.05"),
        ("5u", "0.000005"),
        ("100n", "1e-7"),
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


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mi",
        "64MB",
        "64mi",
        "64Kib",
        "0x10",
        "1,5",
        "ten",
        "64Mii",
        "m50",
        "64 Mi",
        " 5",
        "1_000",
        "NaN",
        "Infinity",
    ],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        parse_quantity(text)


def test_the_default_overhead_is_in_quantities() -> None:
    assert {name: parse_quantity(text) for name, text in RuntimeClassSettings().overhead.items()} == {
        "memory": Decimal(64 << 20),
        "cpu": Decimal("0.05"),
    }


@pytest.mark.parametrize(
    ("spellings", "text"),
    [
        (("1024Mi", "1Gi", "1048576Ki", "1073741824", "1.0Gi"), "1Gi"),
        (("50m", "0.05", ".05", "5e-2"), "50m"),
        (("1", "1000m", "1.000"), "1"),
        (("1500m", "1.5"), "1500m"),
        (("0", "0Mi", "0m", "0.0"), "0"),
        (("64M", "64000k", "64e6"), "62500Ki"),
        (("1Ei",), "1Ei"),
        (("1000",), "1000"),
    ],
)
def test_equal_quantities_are_written_the_same(spellings: tuple[str, ...], text: str) -> None:
    assert {canonical(each) for each in spellings} == {text}


@given(st.decimals(0, 10**12, places=3), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_what_is_written_is_the_same_quantity(number: Decimal, unit: str) -> None:
    text = f"{number}{unit}"
    assert parse_quantity(canonical(text)) == parse_quantity(text)
    assert canonical(canonical(text)) == canonical(text)


@pytest.mark.parametrize("text", ["1e999999999999", "1e99999", "9" * 100])
def test_a_quantity_that_nobody_can_reckon_with_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        canonical(text)
