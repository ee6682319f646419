"""What is known of the cluster, for one node of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.clusters import facts


@pytest.mark.parametrize(
    ("status", "handlers"),
    [
        ({}, None),
        ({"runtimeHandlers": []}, ()),
        ({"runtimeHandlers": [{"name": ""}, {"name": "runsc"}]}, ("", "runsc")),
        ({"runtimeHandlers": [{"features": {}}, {"name": "runsc"}]}, ("", "runsc")),
    ],
)
def test_the_handlers_that_a_kubelet_reports_are_read(
    status: dict[str, Any], handlers: tuple[str, ...] | None
) -> None:
    assert facts({"status": status}).handlers == handlers
