"""`nodeprov try`: bad input is refused in a line. What becomes of a workload is seen on real nodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command_line import at_home

INVENTORY = """\
[release]
version = "20260905.0"
[cluster]
kubeconfig = "/nowhere.conf"
[nodes.worker1]
address = "127.0.0.1"
"""


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("web",), 2, "'web' names no workload"),
        (("service/web",), 2, "service is not a kind that makes pods"),
        (("shop/deployment/web", "-n", "other"), 2, "--namespace is other"),
        (("deployment/web", "-n", "A B"), 2, "--namespace: 'A B' is not a valid name"),
        (("deployment/web", "--set", "cluster.enabled=false"), 2, "[cluster] enabled is false"),
        (("deployment/web",), 1, "Deployment default/web cannot be read"),
    ],
)
def test_bad_input_is_refused_in_a_line(tmp_path: Path, arguments: tuple[str, ...], code: int, said: str) -> None:
    (tmp_path / "nodeprov.toml").write_text(INVENTORY)
    output = at_home(tmp_path, "try", *arguments)
    assert output.returncode == code
    error = output.stderr.decode()
    assert said in error
    assert "hint: " in error
    assert "Traceback" not in error
