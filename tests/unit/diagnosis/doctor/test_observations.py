"""What doctor looks at besides the facts."""

from __future__ import annotations

import base64

from nodeprov.diagnosis.doctor.observations import Observations, ObservationsQuery, parse_observations
from nodeprov.hosts.local import LocalHost
from nodeprov.hosts.script import plain

CONFIG = "/opt/nodeprov/handlers/runsc/current/runsc.toml"


def test_what_the_script_prints_is_understood() -> None:
    toml = 'binary_name = "/r"\n[runsc_config]\nsystemd-cgroup = "true"\n'
    proxies = base64.b64encode(b"https_proxy=http://p:1\nNO_PROXY=.svc\nHTTP_PROXY=\n").decode()
    text = f"now=12.5\nfapolicyd=active\nproxies:={proxies}\nconfig:={base64.b64encode(toml.encode()).decode()}\n"
    assert parse_observations(text) == Observations(
        12.5, True, {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".svc"}, toml
    )


def test_the_script_runs_here_and_complains_of_nothing() -> None:
    query = ObservationsQuery(CONFIG, None)
    output = LocalHost().sh(query.script)
    assert output.stderr == b""
    assert query.parse(output).config is None


def test_a_password_in_a_proxy_is_not_read() -> None:
    held = LocalHost().hold(
        plain("sh", "HTTPS_PROXY=http://me:secret@proxy:3128; export HTTPS_PROXY; sh -c 'echo $$; cat'")
    )
    try:
        output = LocalHost().sh(ObservationsQuery(CONFIG, int(held.first_line)).script)
    finally:
        held.release()
    assert parse_observations(output.text).proxies == {"HTTPS_PROXY": "http://proxy:3128"}
