"""Kubernetes' resource quantities, such as 64Mi."""

import re
from decimal import Decimal

_FACTORS = {
    "": Decimal(1),
    "n": Decimal(10) ** -9,
    "u": Decimal(10) ** -6,
    "m": Decimal(10) ** -3,
    **{unit: Decimal(1000) ** power for power, unit in enumerate(("k", "M", "G", "T", "P", "E"), start=1)},
    **{unit: Decimal(1024) ** power for power, unit in enumerate(("Ki", "Mi", "Gi", "Ti", "Pi", "Ei"), start=1)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)([a-zA-Z]*)", re.ASCII)


def parse_quantity(text: str) -> Decimal:
    """Read a quantity as bytes, or cores (apimachinery: pkg/api/resource/quantity.go).

    Raises ValueError if it is none.
    """
    found = _QUANTITY.fullmatch(text)
    if found is None or found[2] not in _FACTORS:
        raise ValueError(f"{text!r} is not a quantity such as 64Mi or 250m")
    return Decimal(found[1]) * _FACTORS[found[2]]


def canonical(text: str) -> str:
    """Write a quantity in one form, so that 1024Mi and 1Gi, or 0.05 and 50m, are the same text.

    The API server rewrites quantities too: what is read back is seldom what was sent.
    """
    try:
        return _canonical(parse_quantity(text))
    except ArithmeticError:
        raise ValueError(f"{text!r:.60} is not a quantity that can be used here") from None


def _canonical(value: Decimal) -> str:
    for unit in ("m", "u", "n"):
        if value != value.to_integral_value() and (value / _FACTORS[unit]) % 1 == 0:
            return f"{(value / _FACTORS[unit]).normalize():f}{unit}"
    for unit in ("Ei", "Pi", "Ti", "Gi", "Mi", "Ki"):
        if value and value % _FACTORS[unit] == 0:
            return f"{(value / _FACTORS[unit]).normalize():f}{unit}"
    return f"{value.normalize():f}"
