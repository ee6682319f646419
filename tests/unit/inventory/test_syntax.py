"""How names, paths and amounts are written."""

from __future__ import annotations

import pytest

from nodeprov.inventory import syntax
from nodeprov.inventory.kinds import Text


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (
            syntax.HANDLER,
            ["runsc", "runsc-kvm", "runc2", "a" * 63],
            ["runc", "-a", "a-", "A", "a.b", "a" * 64, ""],
        ),
        (syntax.DNS_SUBDOMAIN, ["a", "a.b-c", "1"], ["a..b", ".a", "a.", "A", f"{'a' * 60}." * 5]),
        (syntax.LABEL_KEY, ["a", "example.com/a_b.c", "A"], ["/a", "a/", "a/b/c", "Example.com/a", "-a"]),
        (syntax.LABEL_VALUE, ["", "true", "a_b.c-1"], ["-a", "a-", "a b", "a" * 64]),
        (syntax.QUANTITY, ["64Mi", "50m", "1", ".5", "1e3", "0.5Gi"], ["", "-1", "64 Mi", "1Kb", "Mi", "1e"]),
        (
            syntax.ABSOLUTE_PATH,
            ["/a", "/a.b/c_d-e@1+2", "/..a"],
            ["a", "/", "//a", "/a/", "/a/../b", "/a/.", "/a b", "/a:b"],
        ),
        (syntax.COMMAND, ["kubectl", "k3s kubectl"], ["", "a  b", " a", "a 'b'", 'a "b"', "a\\b"]),
        (syntax.ADDRESS, ["a", "10.0.0.1", "fd00::1", "under_score"], ["-a", "a@b", "a/b", "a b", "@a", ""]),
        (
            syntax.URL,
            ["https://a/b", "http://a", "/a/b", "file:///a"],
            ["ftp://a", "a", "", "https://", "https:// a"],
        ),
        (
            syntax.STARTUP_TAINT,
            ["readiness.k8s.io/gvisor", "readiness.k8s.io/a.b_c"],
            ["gvisor", "readiness.k8s.io/", "example.com/gvisor", "readiness.k8s.io/a/b"],
        ),
        (syntax.SHARE, ["1", "25%", "100%"], ["", "0", "0%", "101%", "-1", "1.5", "25 %", "a"]),
        (
            syntax.WINDOW,
            ["02:00-04:00", "23:00-01:30", "00:00-24:00"],
            ["", "2:00-4:00", "02:00", "02:00-02:00", "24:00-01:00", "02:60-03:00", "02:00 - 04:00", "02-04"],
        ),
        (
            syntax.DATES,
            ["2026-12-24", "2026-12-24/2027-01-02", "2028-02-29"],
            ["", "2026-02-29", "24.12.2026", "2026-12-24/2026-12-23", "2026-12-24/", "20261224", "2026-W01-1"],
        ),
        (
            syntax.TIME_ZONE,
            ["UTC", "Europe/Berlin", "Etc/GMT+3"],
            ["", "Berlin", "Europe/Bonn", "../etc", "Europe"],
        ),
        (syntax.RELEASE, ["20260905.0", "20260905", "latest"], ["release-20260905.0", "v1", "2026", "newest", ""]),
        (syntax.FLAG, ["debug", "num-network-channels"], ["--debug", "platform", "systemd-cgroup", "Debug", ""]),
        (syntax.GROUP, ["gpu", "GPU_1", "1-a"], ["a b", "-a", "", "a.b"]),
    ],
    ids=lambda each: each.expected[:20] if isinstance(each, Text) else "",
)
def test_each_rule_knows_what_is_meant(rule: Text, good: list[str], bad: list[str]) -> None:
    assert [text for text in good if not rule.accepts(text)] == []
    assert [text for text in bad if rule.accepts(text)] == []
    assert [text for text in good if rule.accepts(f"{text}\n")] == [], "a line break is no part of any"
