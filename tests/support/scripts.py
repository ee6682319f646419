"""Every script of templates/, rendered: what is given to each, once for each way that it can turn out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace

from nodeprov.templates import render

FOLDER = Path(__file__).parents[2] / "templates"
SCRIPTS: Mapping[str, str] = {
    path.name: path.relative_to(FOLDER).as_posix() for path in sorted(FOLDER.rglob("*.sh.j2"))
}
"""The path below templates/ by the file's name."""

Values = Mapping[str, object]
RESTARTED: Values = {"restart_seconds": 1}

_CTR: Values = {"ctr": "ctr", "socket": "/s"}
_TARGET: Values = {"path": "/x", "beside": "/y"}
_TREE: Values = {"path": "/x", "staging": "/y"}
_SWITCH: Values = {
    "state": "/s",
    "folder": "/s/switch",
    "next": "/s/switch.next",
    "units": "/u",
    "recovery": "/u/r.service",
    "recovery_name": "r.service",
    "wants_folder": "/u/c.wants",
    "wants": "/u/c.wants/r.service",
    "marker": "/run/m",
    "unit_name": "s.service",
    "unit": "c.service",
    "ctr": "ctr",
    "socket": "/c.sock",
    "paths": ["/etc/c d.toml", "/etc/own.toml"],
    "files": [{"path": "/etc/c d.toml", "sha256": "0" * 64}],
    "script": "it's",
    "service": "[Unit]",
    "run": "000001-install",
    "root": "/var/lib/containerd",
    "filters": (),
    **{f"{name}_seconds": 1 for name in ("restart", "patience", "settle", "confirm", "most", "wait", "quiet")},
}
_LOCK: Values = {"state": "/s", "holder": "h", "ticket": "t", "silence_seconds": 1}
_PROOF: Values = {
    **_CTR,
    "id": "i",
    "prefix": "/p",
    "state": "/s",
    "shim": "/shim",
    "runsc": "/runsc",
    "timeout_seconds": 1,
    "cleanup_seconds": 1,
}
_MASTER = SimpleNamespace(role="master", has_kubelet=True, cgroup_driver="systemd", may_lower_oom_score=True)
_WORKER = SimpleNamespace(role="worker", has_kubelet=True, cgroup_driver="cgroupfs", may_lower_oom_score=False)
_BARE = SimpleNamespace(role="worker", has_kubelet=False, cgroup_driver="systemd", may_lower_oom_score=True)
_NODE: Values = {"images": "/i", "pause_image": "p", "cni_folder": "/cni", "admin_conf": "/a", "units": ["a", "b"]}

SAMPLES: Mapping[str, Sequence[Values]] = {
    "arm.sh.j2": [_SWITCH],
    "ask.sh.j2": [{"script": "uptime"}],
    "box-initramfs.sh.j2": [{}],
    "box-setup.sh.j2": [{}],
    "confirm.sh.j2": [_SWITCH],
    "doctor.sh.j2": [{"pid": 1, "config": "/c"}],
    "enter-cgroups.sh.j2": [{"cgroups": ["/sys/fs/cgroup/a b"], "argv": ["echo", "it's"]}],
    "facts.sh.j2": [
        {
            "unit": "x",
            "config": "",
            "socket": "",
            "prefix": "/p",
            "prefixes": ["/p", "/q r"],
            "state": "/s",
            "places": ["/p", "/s"],
            "links": ["/l"],
            "origins": ["a.tmpl", "/b.toml"],
            "kubelets": ["kubelet", "k3s-agent"],
            "kubelet_configs": {"k3s-agent": "/c.yaml"},
            "sysctls": ["kernel.yama.ptrace_scope"],
            "units": "/u",
        }
    ],
    "fence.sh.j2": [{"lock": "/s/lock", "ticket": "t", "mark": "m"}],
    "folders.sh.j2": [{}],
    "free-mount.sh.j2": [{"path": "/run/x y/mounted"}],
    "gate-own.sh.j2": [{"root": "/etc/c.toml", "candidate": "/etc/.c", "binary": "/b"}],
    "gate.sh.j2": [{"path": "/etc/c.toml", "candidate": "/etc/.c", "binary": "/b"}],
    "import-image.sh.j2": [{**_CTR, "id": "sha256:0", "name": "n", "snapshotter": "s"}],
    "install-node.sh.j2": [
        {**_NODE, "machine": _MASTER, "slow": False, "control_plane": ["a"]},
        {**_NODE, "machine": _WORKER, "slow": True, "control_plane": []},
        {**_NODE, "machine": _BARE, "slow": False, "control_plane": []},
    ],
    "isolated.sh.j2": [
        {
            "state": "/var/lib/l",
            "folder": "/var/tmp/a b",
            "hierarchies": [SimpleNamespace(point=f"/sys/fs/cgroup{each}", type=type_, options="rw")],
            "unified": unified,
        }
        for each, type_, unified in (("", "cgroup2", True), ("/cpu", "cgroup", False))
    ],
    "joined.sh.j2": [{"certificate": "-----BEGIN\nx\n"}],
    "kubectl-found.sh.j2": [{}],
    "cluster.sh.j2": [{}],
    "kubectl.sh.j2": [{"calls": ["kubectl get nodes", "kubectl get pods"]}],
    "lock-holder.sh.j2": [{"lock": "/s/lock"}],
    "dry-start-apart.sh.j2": [{"script": "exit 0", "limit": 1, "without": each} for each in ("", "/it's")],
    "dry-start.sh.j2": [
        {"binary": "/b/containerd", "config": "/etc/c.toml", "ctr": "/b/ctr", "seconds": 1, "limit": 2}
    ],
    "purge.sh.j2": [{"state": "/s", "places": ("/p/handlers", "/p/releases")}],
    "lock.sh.j2": [{**_LOCK, "again": again} for again in (True, False)],
    "nspawn-prepare.sh.j2": [{"unified_cgroups": unified} for unified in (True, False)],
    "packages.sh.j2": [{"packages": ["a", "b"]}],
    "processes.sh.j2": [{}],
    "prove-sandbox.sh.j2": [{**_PROOF, "flags": flags} for flags in ({"systemd-cgroup": "true", "x": "it's"}, {})],
    "prove-serving.sh.j2": [{**_CTR, "unit": "x", "patience_seconds": 1, "settle_seconds": 1}],
    "query-calls.sh.j2": [{}],
    "query-file.sh.j2": [{"path": "/x"}],
    "foreign.sh.j2": [
        {"folders": ["/usr/bin", "/o b"], "programs": ["runsc", "it's"], "names_release": "r-[0-9]+"}
    ],
    "query-imports.sh.j2": [{"patterns": ["/etc/c/*.toml", "/etc/d.toml"]}],
    "query-link.sh.j2": [{"path": "/x"}],
    "query-pod-cgroups.sh.j2": [{"uid": "u", "prefix": "/p"}],
    "query-pod-costs.sh.j2": [{"uids": ["a-b", "c-d"]}],
    "query-pod-kills.sh.j2": [{"uid": "u-v"}],
    "query-tree.sh.j2": [{"path": "/x"}],
    "ready-nodes.sh.j2": [{"admin_conf": "/a", "jsonpath": "{.items}"}],
    "remove-image.sh.j2": [{**_CTR, "name": "n", "id": "sha256:0"}],
    "remove.sh.j2": [{**_TARGET, "below": below} for below in ("", "/x")],
    "bystanders.sh.j2": [{**_SWITCH, "filters": filters} for filters in ((), ("a==b", "it's"))],
    "link-files.sh.j2": [{"folder": "/x", "files": {"a b": "/y/a b", "bin/c": "/y/it's"}}],
    "log.sh.j2": [{}],
    "restart.sh.j2": [{"unit": "x", **RESTARTED}],
    "services-run.sh.j2": [{"units": ["a", "b c"]}],
    "settle.sh.j2": [_SWITCH],
    "stage-tree.sh.j2": [_TREE],
    "sweep-proofs.sh.j2": [{**_CTR, "state": "/s", "cleanup_seconds": 1}],
    "sweep.sh.j2": [
        {
            **_CTR,
            "folders": ["/etc/c d"],
            "prefixes": ["/p", "/q r"],
            "state": "/s",
            "cleanup_seconds": 1,
            "brought": brought,
        }
        for brought in (True, False)
    ],
    "switch-ends.sh.j2": [_SWITCH],
    "switch.sh.j2": [{**_SWITCH, "confirm_seconds": seconds} for seconds in (0, 1)],
    "switched.sh.j2": [{**_SWITCH, "early": early} for early in (True, False)],
    "traces.sh.j2": [{"state": "/s", "prefixes": ["/p", "/q r"], "links": ["/l", "/it's"]}],
    "wait-cluster.sh.j2": [{"nodes": ["a", "b"], "admin_conf": "/a", "timeout_seconds": 1}],
    "watched.sh.j2": [{}],
    "write-file.sh.j2": [{**_TARGET, "mode": "644", "owner": "0:0", "sha256": "0" * 64}],
    "write-link.sh.j2": [{**_TARGET, "target": "t"}],
    "write-tree.sh.j2": [
        {**_TREE, "entries": [SimpleNamespace(path="bin/a b", sha256="0" * 64, mode=0o755)]},
    ],
}


def rendered(name: str) -> list[str]:
    """Render a script with each of its samples."""
    return [render(SCRIPTS[name], **values) for values in SAMPLES[name]]
