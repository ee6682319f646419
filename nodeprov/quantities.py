"""Kubernetes' resource quantities, such as 64Mi."""

from __future__ import annotations

from decimal import Decimal

_FACTORS = {
    "": Decimal(1),
    "m": Decimal("0.001"),
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}


def parse_quantity(text: str) -> Decimal:
    """Read a quantity as bytes, or cores (apimachinery: pkg/api/resource/quantity.go).

    Raises ValueError if it is none.
    """
    number = text.rstrip("".join({letter for unit in _FACTORS for letter in unit}))
    try:
        return Decimal(number) * _FACTORS[text[len(number) :]]
    except (ArithmeticError, KeyError):
        raise ValueError(f"{text!r} is no quantity such as 64Mi or 250m") from None


def canonical(text: str) -> str:
    """Write a quantity in one form, so that 1024Mi and 1Gi, or 0.05 and 50m, are the same text.

    The API server rewrites quantities too: what is read back is seldom what was sent.
    """
    value = parse_quantity(text)
    if value != value.to_integral_value():
        return f"{(value * 1000).normalize():f}m"
    for unit in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        if value and value % _FACTORS[unit] == 0:
            return f"{(value / _FACTORS[unit]).normalize():f}{unit}"
    return f"{value.normalize():f}"
