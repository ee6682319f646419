"""Which programs a container's command calls, and which words it only has."""

from __future__ import annotations

import time

import pytest

from nodeprov.workloads.programs import programs

CALLED = {
    "alone": ["iptables", "-F"],
    "by its path": ["/usr/sbin/iptables", "-F"],
    "a script": ["sh", "-c", "set -e\niptables -t nat -F"],
    "a shell's other options": ["/bin/bash", "-euxc", "iptables -F"],
    "options after -c": ["sh", "-c", "-e", "iptables -F"],
    "the image's entrypoint is a shell": ["-c", "iptables -F"],
    "after something": ["sh", "-c", "true; ip link && iptables -F || exit 1"],
    "in a pipe": ["sh", "-c", "cat /rules|iptables -F"],
    "in a condition": ["sh", "-c", "if ! iptables -C X; then exit 1; fi"],
    "in a loop": ["sh", "-c", "for tool in iptables ip6tables; do $tool -F; done"],
    "in another's output": ["sh", "-c", 'echo "found: $(iptables -L)"'],
    "in backticks": ["sh", "-c", "x=`iptables -L`"],
    "in a function": ["sh", "-c", "clear() { iptables -F; }; clear"],
    "by a variable": ["sh", "-c", "TOOL=/sbin/iptables; $TOOL -F"],
    "with a variable": ["sh", "-c", "WAIT=1 iptables -F"],
    "by another": ["nsenter", "-t", "1", "-n", "--", "iptables", "-F"],
    "by two others": ["tini", "--", "sh", "-c", "sudo -n iptables -F"],
    "in a script in a script": ["sh", "-c", "exec bash -c 'true; iptables -F'"],
    "with a file": ["sh", "-c", "iptables</etc/rules"],
    "in quotes": ["sh", "-c", "'iptables' -F"],
    "quotes that do not end": ["sh", "-c", "iptables -m comment --comment \"that's"],
}
NOT_CALLED = {
    "an option": ["dockerd", "--iptables=false"],
    "an option's value": ["dockerd", "--firewall", "iptables"],
    "a file": ["sh", "-c", "echo /etc/iptables.rules is not used here"],
    "a word that is printed": ["sh", "-c", "echo iptables"],
    "a word that is printed, in quotes": ["sh", "-c", "echo 'first; iptables'"],
    "a comment": ["sh", "-c", "true # iptables -F"],
    "a package": ["sh", "-c", "apk add iptables"],
    "looked for": ["sh", "-c", "command -v iptables || which iptables"],
    "another": ["sh", "-c", "iptables-exporter --port 1"],
    "a file that is written": ["sh", "-c", "date > iptables"],
}


@pytest.mark.parametrize("case", CALLED)
def test_a_program_that_is_called_is_named(case: str) -> None:
    assert "iptables" in [*programs(CALLED[case])]


@pytest.mark.parametrize("case", NOT_CALLED)
def test_one_that_is_mentioned_is_not(case: str) -> None:
    assert "iptables" not in [*programs(NOT_CALLED[case])]


@pytest.mark.parametrize("part", ["'", '"', '\\"', "$(", "`", "a ", "sh -c '", 'eval "$(', "{", "x=", "<", "# "])
def test_a_script_of_any_size_is_read_in_time(part: str) -> None:
    began = time.monotonic()
    [*programs(["sh", "-c", part * 20_000])]
    assert time.monotonic() - began < 5
