"""Label selectors, read as kubectl reads them."""

from __future__ import annotations

import pytest

from nodeprov.errors import UsageError
from nodeprov.inventory.selector import parse_selector

LABELS = {"zone": "a", "disk": "ssd", "example.com/gpu": ""}


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("zone=a", True),
        ("zone==a", True),
        ("zone = a", True),
        ("zone=b", False),
        ("zone!=b", True),
        ("zone!=a", False),
        ("rack!=1", True),
        ("zone", True),
        ("rack", False),
        ("!rack", True),
        ("!zone", False),
        ("zone in (a, b)", True),
        ("zone in (b)", False),
        ("zone notin (b,c)", True),
        ("rack notin (1)", True),
        ("zone notin (a)", False),
        ("example.com/gpu", True),
        ("example.com/gpu=", True),
        ("example.com/gpu!=", False),
        ("zone=a,disk=ssd", True),
        ("zone=a,disk=hdd", False),
        (" zone in (a,b),disk notin (hdd), !rack ", True),
    ],
)
def test_it_fits_the_labels_that_kubectl_would_find(text: str, fits: bool) -> None:
    assert parse_selector(text).fits(LABELS) is fits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("  ", "is empty"),
        ("zone=a,", "a comma and nothing beside it"),
        ("zone in a", "'zone in a' is not a selector"),
        ("zone in (a", "'zone in (a' is not a selector"),
        ("zone>1", "is not a selector"),
        ("zone=a=b", "is not a selector"),
        ("a/b/c=1", "'a/b/c' is not a label's key"),
        ("!-zone", "'-zone' is not a label's key"),
        ("zone=a b", "'zone=a b' is not a selector"),
        ("zone=*", "'*' is not a label's value"),
        ("zone in (a,-)", "'-' is not a label's value"),
        ("zone\n=a\x1b", "is not a label's value"),
    ],
)
def test_what_is_none_is_refused_with_how_one_is_written(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        parse_selector(text)
    assert refused.value.where == "-l/--selector"
    assert said in refused.value.message
    assert "zone notin (a,b)" in refused.value.hint


def test_it_knows_the_keys_that_it_asks_for() -> None:
    assert parse_selector("zone=a,!gpu,zone!=b").keys == ("zone", "gpu")
