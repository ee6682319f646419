"""Files, and where in them each containerd reads runtimes: the tests of the lab ask the real ones."""

from __future__ import annotations

from tests.support.containerd_texts import V2, V3

CRI = "cri.containerd.runtimes"
PLACES = {1: CRI, 2: V2, 3: V3}
ALSO = '[plugins."io.containerd.grpc.v1.cri"]\nstream_server_port = "10010"\n'


def runc(*places: int) -> str:
    return "".join(f"[plugins.{PLACES[each]}.runc]\nbase_runtime_spec = '/r{each}'\n" for each in places)


# What a file has, the containerds that read it alike, and the version in whose place they read runtimes:
# tests/lab/test_places.py asks them.
READ_AT = {
    "1.x goes by the version alone": [
        ("", ("1.6.20", "1.7.35"), 1),
        (runc(1, 2, 3), ("1.6.20", "1.7.35"), 1),
        (f"version = 2\n{runc(2, 3)}", ("1.6.20", "1.7.35"), 2),
        (f"version = 2\n{runc(3)}", ("1.7.35",), 2),
    ],
    "up to 2.2 a file without version is one of version 3": [
        ("root = '/r'\n", ("2.0.14", "2.2.9"), 3),
        (runc(3), ("2.0.14", "2.2.9"), 3),
        (f"version = 1\n{runc(1, 3)}", ("2.1.9",), 3),
        (f"version = 2\n{runc(2)}", ("2.1.9",), 2),
        (f"version = 2\n{runc(2, 3)}", ("2.1.9",), 3),
        (f"version = 3\n{runc(2)}", ("2.1.9",), 3),
    ],
    "from 2.3 on the newest section counts that is there": [
        ("root = '/r'\n", ("2.3.4", "2.4.2"), 1),
        (runc(1), ("2.3.4", "2.4.2"), 1),
        (runc(2), ("2.3.4", "2.4.2"), 2),
        (f"version = 1\n{runc(2)}", ("2.3.7",), 2),
        (ALSO, ("2.4.2",), 2),
        (runc(3), ("2.3.4", "2.4.2"), 3),
        (runc(1, 3), ("2.4.2",), 3),
        (runc(2, 3), ("2.4.2",), 3),
        (f"version = 2\n{runc(1)}", ("2.4.2",), 2),
        (f"version = 2\n{runc(2, 3)}", ("2.4.2",), 3),
        (f"version = 3\n{runc(2)}", ("2.3.4", "2.4.2"), 2),
        (f"version = 3\n{runc(2, 3)}", ("2.4.2",), 3),
        (f"version = 3\n{ALSO}", ("2.4.2",), 3),
        (f"version = 4\n{runc(2)}", ("2.3.4", "2.4.2"), 3),
    ],
}
THEIRS = "runtime_type = 'io.containerd.runsc.v1'\n"
DEAD = [
    (f"version = 3\n{runc(3)}[plugins.{V2}.runsc]\n{THEIRS}", "2.4.2"),
    (f"version = 3\n[plugins.{V2}.runsc]\n{THEIRS}", "2.1.9"),
    (f"version = 4\n[plugins.{V2}.runsc]\n{THEIRS}", "2.4.2"),
    (f"version = 3\n[plugins.{CRI}.runsc]\n{THEIRS}", "2.4.2"),
    (f"version = 2\n{runc(2)}[plugins.{CRI}.runsc]\n{THEIRS}", "2.4.2"),
    (f"version = 2\n{runc(2)}[plugins.{V3}.runsc]\n{THEIRS}", "1.7.35"),
    (f"{runc(1)}[plugins.{V2}.runsc]\n{THEIRS}", "1.7.35"),
    (f"{runc(3)}[plugins.{V2}.runsc]\n{THEIRS}", "2.4.2"),
]


NO_RUNTIME = [
    ('[plugins.cri]\nsandbox_image = "example/pause:1"\n', 1),
    ("root = '/r'\n", 1),
    ("version = 2\n", 2),
    ('version = 2\n[plugins."io.containerd.grpc.v1.cri".registry]\nconfig_path = "/etc/containerd/certs.d"\n', 2),
    ("version = 2\n[debug]\nlevel = 'info'", 2),
    (f"version = 2\n{runc(3)}", 2),
]
