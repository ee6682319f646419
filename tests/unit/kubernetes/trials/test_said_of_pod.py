"""What kubectl tells of a pod, from a kubectl that is played by a script."""

from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.hosts.local import LocalHost
from nodeprov.inventory import ClusterSettings
from nodeprov.kubernetes.trials.said_of_pod import read_said

PLAYED = """\
#!/bin/sh
case "$*" in
    *describe*gone*) echo 'Error from server (NotFound): pods "gone" not found' >&2; exit 1 ;;
    *describe*) echo 'Warning  Failed  no runtime for "runsc" is configured' ;;
    *--previous*) echo "previous terminated container not found" >&2; exit 1 ;;
    *logs*secret*) echo 'error: pods "secret" is forbidden: User "ann" cannot get resource "pods/log"' ;;
    *logs*away*) echo "The connection to the server 10.0.0.1:6443 was refused" >&2; exit 1 ;;
    *logs*) echo "the last line" ;;
esac
"""


@pytest.fixture
def settings(tmp_path: Path) -> ClusterSettings:
    program = tmp_path / "kubectl"
    program.write_text(PLAYED)
    program.chmod(0o755)
    return ClusterSettings(kubectl=str(program))


def test_its_description_and_its_last_lines_are_read(settings: ClusterSettings) -> None:
    found = read_said(LocalHost(), settings, "shop", "web")
    said = found.text
    assert found.unread == ""
    assert 'no runtime for "runsc" is configured' in said
    assert "the last line" in said


def test_a_pod_that_is_gone_is_said_to_be_so(settings: ClusterSettings) -> None:
    with pytest.raises(NodeprovError, match="the pod shop/gone cannot be read") as caught:
        read_said(LocalHost(), settings, "shop", "gone")
    assert caught.value.hint == "kubectl get pods -n shop"


def test_output_that_may_not_be_read_or_was_not_is_said(settings: ClusterSettings) -> None:
    for name, said in (("secret", 'cannot get resource "pods/log"'), ("away", "was refused")):
        assert said in read_said(LocalHost(), settings, "shop", name).unread
