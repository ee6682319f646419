"""Scripts by their names, what a program has printed, and the sign of life."""

from __future__ import annotations

import queue
import threading
import time

import pytest

from nodeprov.hosts.base import HEARTBEAT, Output, heartbeat, rendered


def test_what_a_library_logs_for_each_attempt_is_left_out_where_the_program_says_it_too() -> None:
    log = (
        b'E1128 23:34:40.374926   19589 memcache.go:265] "Unhandled Error" err="couldn\'t get the list"\n'
        b'E1128 23:34:41.376174   19589 memcache.go:265] "Unhandled Error" err="couldn\'t get the list"\n'
    )
    refused = b"The connection to the server 127.0.0.1:1 was refused\n"
    assert Output(1, b"", log + refused + refused).said == "The connection to the server 127.0.0.1:1 was refused"
    assert Output(1, b"", log).said == "couldn't get the list"


def test_why_kubectl_has_waited_in_vain_is_in_its_log_alone() -> None:
    log = (
        b'E1129 10:01:29.620418   13323 reflector.go:227] "Failed to watch" err="pods \\"x\\" is forbidden: User '
        b'\\"u\\" cannot watch resource" reflector="tools/cache/reflector.go:343"\n'
    )
    in_vain = b"error: timed out waiting for the condition on pods/x\n"
    refused = 'pods "x" is forbidden: User "u" cannot watch resource'
    assert Output(1, b"", log + log + in_vain).said == f"{refused}; {in_vain.decode().strip()}"
    assert Output(1, b"", in_vain).said == in_vain.decode().strip()


def test_what_a_program_complained_of_is_told_by_its_last_lines_without_secrets() -> None:
    complaint = b"usage\nmore\n" + b"x" * (1 << 20) + b'\nline 4: password = "s3cret"\nin config.toml\nfailed'
    assert Output(1, b"", complaint).said == 'line 4: password = "(not shown)"; in config.toml; failed'


def test_a_script_is_known_by_its_templates_name() -> None:
    script = rendered("hosts/write-link.sh.j2", path="/p", beside="/.p", target="/t")
    assert script.name == "write-link"
    assert "/.p" in script.text


def test_it_is_given_again_and_again_until_it_is_stopped() -> None:
    said: queue.Queue[str] = queue.Queue()
    over = heartbeat(said.put, 0.01)
    assert [said.get(timeout=10) for _ in range(3)] == [HEARTBEAT] * 3
    over.set()
    time.sleep(0.2)  # one that was on its way
    count = said.qsize()
    time.sleep(0.2)
    assert said.qsize() == count


def test_without_a_time_none_is_given() -> None:
    threads = threading.active_count()
    heartbeat(lambda line: pytest.fail(line), 0)
    assert threading.active_count() == threads
