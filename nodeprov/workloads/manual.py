"""The catalogue as a page for people; `python -m nodeprov.workloads.manual` writes it to docs/."""

from collections.abc import Iterator
from pathlib import Path

from nodeprov.workloads.catalogue import Behaviour, By, Effect, catalogue, recorded_releases, seen_with
from nodeprov.workloads.probes import CGROUP_V2, SAME, Probe

COMMAND = "python -m nodeprov.workloads.manual"
PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
_TITLES = {
    By.MANIFEST: "What a manifest asks for",
    By.PROGRAM: "What a program does",
    By.OPERATOR: "What operators of the cluster meet",
}
_SAID = {
    Effect.REFUSED: "It does not start",
    Effect.FAILS: "It does not work",
    Effect.SILENT: "It works differently, without a message",
}
_HEAD = f"""\
# What a workload meets in the sandbox

<!-- written by {COMMAND} from nodeprov/workloads/behaviours.toml -->

`nodeprov check FILE` looks for those of the first section in manifests of pods, Deployments and whatever else has
a pod's template, or several, and shows where: file, line, field. Exit code 1: something does not start or does not
work; 3: something works differently without a message; 0: nothing is known to differ. `--allow ID` leaves out what
you know of; `--sarif FILE` and `--junit FILE` are for CI, `--json` for programs ([json.md](json.md)).

<!-- run by tests/unit/cli/test_check.py tests/lab/test_check.py -->

    helm template web ./chart | nodeprov check -
    nodeprov check k8s/*.yaml --allow seccomp --sarif sandbox.sarif
    nodeprov check --live -n shop

`--live` reads the cluster's own workloads, as kubectl reaches it here: what makes pods, and pods that nothing
makes. They are read kind by kind, in pages of 500. A kind that you may not list is named, the others are
checked, and the exit code is 1.

`check` does not look at what a program does by itself. `nodeprov probe NODE` asks on a node of yours: a small
program, in a sandboxed pod and in one beside it under runc, asks the kernel what is asked here, and the answers
are compared with each other and with what is recorded for the release and its flags. `new` is what is not
recorded, `gone` what is recorded and not met; `not told` means that the pod under runc does not answer as it
should, so that the question shows nothing on this node (an older kernel, say). The pods are in a namespace of
their own, which is removed at the end; no image is pulled. They ask for what they probe, such as the node's
network or a privileged container: whoever may run this may do so. An API server that is away, as when it is
restarted, is waited for: a minute, and longer where `[proof] timeout_seconds` is longer than usual. `try` and
`calibrate` do the same. If it stays away, the error names the namespace that is left, and how to remove it.
Exit code 3: something is new or gone; 1: something has no answer.

<!-- run by tests/lab/test_probe.py tests/unit/cli/test_probe.py -->

    nodeprov probe worker1
    nodeprov probe worker1 --markdown > sandbox.md

`nodeprov try deployment/web -n shop` runs a workload's own pod once more in the sandbox, and beside it, on the
same node, under runc: does it start, and become ready, in what time, with how much memory; what has the sandbox
noted of calls that it does not know; what of this page does it meet. Both pods have other labels, so that no
Service and no controller takes them for its own, and both are removed at the end. Secrets, the service
account's token, claims and folders of the node are left out (`--with-secrets`, `--with-volumes`); so are ports
of the node and preStop hooks. The pods do what their program does: one that takes jobs from a queue takes them.

`nodeprov compat-log` shows which calls of programs the sandboxes did not know, by workload: each sandbox notes
each kind of call once, beside the logs of its pod's containers (/var/log/pods), with no setting and at no cost.
Pods are counted, not calls, and a note goes with the pod's logs. Many programs do without such a call (`rseq`,
say, which every C library tries first): look there when a program fails that runs without the sandbox.

<!-- run by tests/lab/test_compat_log.py -->

    nodeprov compat-log
    nodeprov compat-log worker1 --json

What sandboxes cost, and what to reserve for them: [overhead.md](overhead.md); dashboards and alerts that are right
for them: [monitoring.md](monitoring.md).

Settings in brackets are those of the inventory
([inventory.md](inventory.md)). Figures, such as those of memory and of processes, are of nodes with cgroup v1,
and so is what has no probe; what is known of cgroup v2 is in the last section. All was seen with:
"""


def page() -> str:
    """Write the page."""
    return "\n".join([f"{_HEAD}{seen_with()}.\n", *_sections(), *_by_release()])


def _sections() -> Iterator[str]:
    for by in By:
        yield f"## {_TITLES[by]}\n"
        for effect in Effect:
            for each in catalogue().values():
                if (each.by, each.effect) == (by, effect):
                    yield from _entry(each)


def _entry(behaviour: Behaviour) -> Iterator[str]:
    yield f"### {behaviour.id}\n"
    title = f"{behaviour.title[0].upper()}{behaviour.title[1:]}"
    yield f"{title}: `{behaviour.field}`. {_SAID[behaviour.effect]}.\n"
    for name in ("runc", "sandbox", "cure"):
        yield f"- {name}: {getattr(behaviour, name)}"
    if behaviour.cgroup_v2:
        yield f"- cgroup v2: {behaviour.cgroup_v2}"
    if behaviour.unprobed:
        yield f"- not probed: {behaviour.unprobed}"
    yield ""


def _by_release() -> Iterator[str]:
    *_, latest = recorded_releases()
    yield "## What `probe` asks, and what is answered\n"
    yield (
        "Answers are patterns: what differs between nodes is left open. `same` is as runc answers. Flags in the\n"
        "last column make the answer that of runc, or, with `only`, another than it.\n\n"
        "The releases' columns are of nodes with cgroup v1. The next one is of nodes with cgroup v2 and\n"
        f"release {latest}: what is answered otherwise there, or `as on v1`. Where it is empty, nothing is\n"
        "known of cgroup v2: `probe` on such a node compares with v1, and cgroups may be why it says `new`.\n"
        f"{_asked_on_cgroup_v2()}\n"
    )
    yield f"| behaviour | question | runc | {' | '.join(recorded_releases())} | cgroup v2 | flags |"
    yield f"|---|---|---|{'---|' * len(recorded_releases())}---|---|"
    for each in catalogue().values():
        if each.probe is not None:
            yield f"| [{each.id}](#{each.id}) | {' | '.join(_cells(each.probe))} |"


def _asked_on_cgroup_v2() -> str:
    asked = recorded_releases(CGROUP_V2)
    if not asked:
        return "Most of it was not asked there yet."
    unasked = [each.id for each in catalogue().values() if each.probe and each.probe.cgroup_v2 is None]
    but = f" but {', '.join(unasked)}" if unasked else ""
    releases = ", ".join(asked)
    return f"All of it{but} was asked of {releases} there:\nin a virtual machine, with systemd's cgroup driver."


def _cells(probe: Probe) -> Iterator[str]:
    answers = [probe.releases.get(release, probe.sandbox) for release in recorded_releases()]
    for text in (probe.ask, probe.runc, *answers):
        yield _pattern(text)
    yield _on_cgroup_v2(probe)
    cures = [f"{name} = {value}" for name, value in probe.cured_by.items()]
    brought = [f"only {name} = {value}" for name, value in probe.only_with.items()]
    yield ", ".join([*cures, *brought]).replace("|", " or ")


def _on_cgroup_v2(probe: Probe) -> str:
    if probe.cgroup_v2 is None:
        return ""
    return ", ".join(f"{name} {_pattern(text)}" for name, text in probe.cgroup_v2.items()) or "as on v1"


def _pattern(text: str) -> str:
    return text if text == SAME else f"`{text}`".replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
