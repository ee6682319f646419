"""Our table in a file of its own, on real nodes; and a configuration that is a link or too long."""

from __future__ import annotations

from pathlib import Path

from tests.lab.machines import CONFIG, CURRENT, WORKER, Kubectl, Machine
from tests.lab.running import installed, nodeprov, variant
from tests.support.sampling import by_turns

OWN = "/etc/containerd/conf.d/nodeprov-runsc.toml"


@by_turns
def test_the_whole_life_of_a_drop_in(worker: Machine, kubectl: Kubectl, tmp_path: Path) -> None:
    """Install, again, verify, into the configuration and back, uninstall: the bytes are those from before."""
    before, listing = worker.config(), worker.listing()
    dropin = variant(tmp_path, containerd__config_style='"dropin"')

    installed(WORKER, inventory=dropin)
    assert worker.config() == before
    assert CURRENT in worker.run(f"cat {OWN}")
    assert "nothing to do" in installed(WORKER, inventory=dropin).stdout
    verified = nodeprov("verify", WORKER, inventory=dropin)
    assert verified.returncode == 0, verified.stdout

    installed(WORKER)
    assert CURRENT.encode() in worker.config()
    assert worker.run(f"ls {OWN} 2>/dev/null || echo none") == "none\n"
    installed(WORKER, inventory=dropin)
    assert worker.config() == before

    gone = nodeprov("uninstall", WORKER, "--yes", inventory=dropin)
    assert gone.returncode == 0, gone.stdout + gone.stderr
    worker.run("rmdir /etc/containerd/conf.d")
    assert (worker.config(), worker.listing()) == (before, listing)


def test_a_configuration_of_a_kind_never_seen_is_refused_in_one_line_and_stays(worker: Machine) -> None:
    before = worker.config()
    kept = "/etc/containerd/kept.toml"
    kinds = {
        f"mv {CONFIG} {kept} && ln -s kept.toml {CONFIG}": f"{CONFIG} is a link to {kept}",
        f"mv {CONFIG} {kept} && head -c 5M /dev/zero | tr '\\0' '#' > {CONFIG}": "it has 5120 KiB",
        f"mv {CONFIG} {kept} && mkdir {CONFIG}": "not a regular file",
        f"mv {CONFIG} {kept} && echo 'version = 5' > {CONFIG}": "the file states version 5",
        f"mv {CONFIG} {kept} && echo 'version = [' > {CONFIG}": "not valid TOML",
    }
    for make, said in kinds.items():
        worker.run(make)
        try:
            listing = worker.listing()
            ended = nodeprov("plan", WORKER)
            assert ended.returncode == 1, ended.stdout
            assert said in ended.stdout + ended.stderr
            assert "Traceback" not in ended.stderr
            assert worker.listing() == listing
        finally:
            worker.run(f"rm -rf {CONFIG} && mv {kept} {CONFIG}")
    assert worker.config() == before
