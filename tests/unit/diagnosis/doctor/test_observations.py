"""What doctor looks at besides the facts."""

from __future__ import annotations

import base64

from nodeprov.diagnosis.doctor.observations import Observations, ObservationsQuery, parse_observations
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.script import plain
from nodeprov.inventory import ClusterSettings
from tests.support.samples import settings

WANTED = settings(cluster=ClusterSettings(enabled=False))


def test_what_the_script_prints_is_understood() -> None:
    toml = base64.b64encode(b'binary_name = "/r"\n[runsc_config]\nsystemd-cgroup = "true"\n').decode()
    proxies = base64.b64encode(b"https_proxy=http://p:1\nNO_PROXY=.svc\nHTTP_PROXY=\n").decode()
    text = f"now=12.5\nfapolicyd=active\nproxies:={proxies}\nrunsc_toml:={toml}\n"
    assert parse_observations(text) == Observations(
        12.5, True, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".svc"}, {"systemd-cgroup": "true"}
    )


def test_the_script_runs_here_and_complains_of_nothing() -> None:
    query = ObservationsQuery(WANTED, None)
    output = LocalHost().sh(query.script)
    assert output.stderr == b""
    assert query.parse(output).runsc_flags is None


def test_a_password_in_a_proxy_is_not_read() -> None:
    held = LocalHost().hold(
        plain("sh", "HTTPS_PROXY=http://me:secret@proxy:3128; export HTTPS_PROXY; sh -c 'echo $$; cat'")
    )
    try:
        output = LocalHost().sh(ObservationsQuery(WANTED, int(held.first_line)).script)
    finally:
        held.release()
    assert parse_observations(output.text).proxies == {"HTTPS_PROXY": "http://proxy:3128"}
