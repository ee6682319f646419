"""What a node must be after a fault, whatever the fault was: seen in one round trip."""

from __future__ import annotations

import base64
import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.lab.machines import CONFIG, CURRENT, IMAGE, LABEL, Kubectl, Machine

AS_BEFORE, AS_WANTED, ELSE = "as before", "as wanted", "anything else"

CURRENT_OF_CANARY = CURRENT.replace("/runsc/", "/runsc-next/")
KEPT = "(cd /opt/nodeprov 2>/dev/null && ls -d releases/*/ handlers/runsc/*/ 2>/dev/null | grep -v /current/)"
_LOOK = f"""
prefix=/opt/nodeprov
echo "config $(base64 -w 0 < {CONFIG})"
echo "current $(readlink $prefix/handlers/runsc/current 2>/dev/null)"
echo "tried $(readlink {CURRENT_OF_CANARY} 2>/dev/null)"
{KEPT} | sed 's/^/kept /'
find $prefix /usr/local/bin -type l 2>/dev/null | while read -r link; do
    [ -e "$link" ] || echo "broken $link -> $(readlink "$link")"
done
cd $prefix/releases 2>/dev/null &&
    find . -mindepth 2 -type f -not -path './.*' -exec sha256sum {{}} + | sed 's/^/sum /'
cd /
"""
_SERVES = f"""
tasks() {{ timeout 10 ctr -n k8s.io tasks ls 2>/dev/null; }}
uptime() {{ cut -d . -f 1 /proc/uptime; }}
late() {{ [ "$(uptime)" -gt "$until" ]; }}
pid() {{ systemctl show containerd -p MainPID --value; }}
serves() {{
    systemctl is-active --quiet containerd || return 1
    plugins=$(timeout 10 ctr plugins ls 2>/dev/null | grep '\\.cri') || return 1
    ! printf '%s\\n' "$plugins" | grep -qv ' ok *$' || return 1
    id=served-$$-$(uptime)
    timeout 30 ctr -n k8s.io run --rm {IMAGE} "$id" echo served 2>/dev/null </dev/null | grep -q served
}}
goes_on() {{ [ $steady = 0 ] || {{ before=$(pid); sleep $steady; [ "$before" = "$(pid)" ] && serves; }}; }}
until=$(($(uptime) + patience))
until serves && goes_on || late; do sleep 1; done
if late; then
    systemctl status containerd | sed 's/^/status /; 12q'
else
    echo "serves yes"
fi
of_plain='labels."io.kubernetes.pod.name"==plain,labels."io.cri-containerd.kind"==container'
running() {{
    for id in $(timeout 10 ctr -n k8s.io containers ls -q "$of_plain" 2>/dev/null); do
        tasks | awk -v id="$id" '$1 == id && $3 == "RUNNING" {{ print "plain", id }}'
    done
}}
running=$(running)
until [ -n "$running" ] || late; do sleep 1; running=$(running); done
printf '%s\\n' "$running"
"""
_PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class State:
    """What is in force on a node."""

    config: bytes
    current: str
    kept: tuple[str, ...] = field(default=(), compare=False)
    """The releases and generations that are there: only a gc is judged by them."""
    tried: str = ""
    """What the canary's `current` leads to."""

    @property
    def declares(self) -> bool:
        """Whether containerd is told of our runtime, and not of somebody else's."""
        return CURRENT.encode() in self.config


@dataclass(frozen=True)
class Seen:
    """A node after a fault, and what is wrong with it in any case."""

    state: State
    plain: tuple[str, ...]
    """The running containers of the pod that has nothing to do with gVisor."""
    labelled: bool
    wrong: tuple[str, ...]
    canary_labelled: bool = False


def difference(found: State, wanted: State) -> str:
    """Say in what a node is not as wanted; nothing if it is."""
    if found == wanted:
        return ""
    lines = difflib.unified_diff(wanted.config.decode().splitlines(), found.config.decode().splitlines(), n=0)
    links = f"`current` {found.current!r}, wanted {wanted.current!r}"
    links += f"; the canary's {found.tried!r}, wanted {wanted.tried!r}"
    return f"it is not as wanted: {links}; {' | '.join(lines)}"


def look(node: Machine, kubectl: Kubectl, sums: Mapping[str, str], steady_seconds: int) -> Seen:
    """Look at a node, and wait until its containerd serves if it does not."""
    script = f"patience={_PATIENCE_SECONDS}; steady={steady_seconds}\n{_SERVES}{_LOOK}"
    lines = [line.partition(" ")[::2] for line in node.run(script, 2 * _PATIENCE_SECONDS).splitlines()]
    found: dict[str, list[str]] = {}
    for kind, rest in lines:
        found.setdefault(kind, []).append(rest)
    wrong = [f"a link leads nowhere: {each}" for each in found.get("broken", ())]
    for each in found.get("sum", ()):
        digest, _, path = each.partition("  ")
        if sums.get(path) != digest:
            wrong.append(f"{path} is not what was released")
    if "serves" not in found:
        wrong.append(f"containerd does not serve: {' '.join(found.get('status', ()))}")
    kept = tuple(found.get("kept", ()))
    state = State(base64.b64decode(found["config"][0]), found["current"][0], kept, found["tried"][0])
    if state.declares and not state.current:
        wrong.append("config.toml declares a runtime of which `current` is not there")
    labels = kubectl.json("get", "node", node.name)["metadata"]["labels"]
    label, of_canary = LABEL in labels, f"{LABEL}-next" in labels
    if label and not state.declares:
        wrong.append("the node is labelled, and containerd has no such runtime")
    if of_canary and not (state.tried and CURRENT_OF_CANARY.encode() in state.config):
        wrong.append("the node is labelled for a canary that is not there")
    return Seen(state, tuple(found.get("plain", ())), label, tuple(wrong), of_canary)


def verdict(seen: Seen, before: State, wanted: State, exit_code: int) -> tuple[str, str]:
    """Say what a node is as, and what is wrong if it is as nothing that it may be."""
    found = seen.state
    wrong = [*seen.wrong]
    if found.config not in (before.config, wanted.config):
        wrong.append("config.toml is neither as before nor as wanted")
    if found.current not in (before.current, wanted.current):
        wrong.append(f"`current` leads to {found.current or 'nothing'}")
    if found.tried not in (before.tried, wanted.tried):
        wrong.append(f"the canary's `current` leads to {found.tried or 'nothing'}")
    if before == wanted:  # a gc: what it was in the middle of nobody needs
        outcome = AS_WANTED if found.kept == wanted.kept else AS_BEFORE
    else:
        key = next(
            each for each in ("config", "current", "tried") if getattr(before, each) != getattr(wanted, each)
        )
        outcome = AS_BEFORE if getattr(found, key) == getattr(before, key) else AS_WANTED
    if exit_code == 0 and outcome != AS_WANTED:
        wrong.append("nodeprov says that all is done")
    if exit_code == 1 and outcome != AS_BEFORE:
        wrong.append("nodeprov says that all is as before")
    return (ELSE, "; ".join(wrong)) if wrong else (outcome, "")
