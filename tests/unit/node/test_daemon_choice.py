"""Which socket a kubelet talks to, and which containerd is meant by it."""

from __future__ import annotations

import pytest

from nodeprov.containerd.distributions.profiles import default_socket
from nodeprov.node.daemon_choice import Candidate, Kubelet, choose, parse_kubelet

KUBEADM = """\
cgroupDriver: systemd
containerRuntimeEndpoint: unix:///var/run/containerd/containerd.sock
"""


@pytest.mark.parametrize(
    ("program", "arguments", "config", "socket", "said_by"),
    [
        ("kubelet", "", "", "/run/containerd/containerd.sock", "its default"),
        ("kubelet", "", KUBEADM, "/run/containerd/containerd.sock", "its configuration says so"),
        (
            "kubelet",
            "",
            ' "containerRuntimeEndpoint": "unix:///run/a.sock",\n',
            "/run/a.sock",
            "its configuration says so",
        ),
        ("kubelet", "", "containerRuntimeEndpoint: ''\n", "/run/containerd/containerd.sock", "its default"),
        (
            "kubelet",
            "--config=/c --container-runtime-endpoint=unix:///run/k0s/containerd.sock",
            KUBEADM,
            "/run/k0s/containerd.sock",
            "its command line says so",
        ),
        (
            "kubelet",
            "--container-runtime-endpoint /run/k3s/containerd/containerd.sock --v=2",
            "",
            "/run/k3s/containerd/containerd.sock",
            "its command line says so",
        ),
        (
            "kubelet",
            "--container-runtime-endpoint=a --container-runtime-endpoint=unix:///run/extra.sock",
            "",
            "/run/extra.sock",
            "its command line says so",
        ),
        ("k3s-server", "server", "", "/run/k3s/containerd/containerd.sock", "its default"),
        ("k3s-agent", "agent", "", "/run/k3s/containerd/containerd.sock", "its default"),
        (
            "k3s-agent",
            "agent",
            'container-runtime-endpoint: "unix:///run/containerd/containerd.sock"\n',
            "/run/containerd/containerd.sock",
            "its configuration says so",
        ),
        (
            "kubelite",
            "--kubelet-args-file=/var/snap/microk8s/1/args/kubelet "
            "--container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock",
            "",
            "/var/snap/microk8s/common/run/containerd.sock",
            "its command line says so",
        ),
        ("kubelite", "", "", "/var/snap/microk8s/common/run/containerd.sock", "its default"),
    ],
)
def test_a_kubelet_tells_its_socket(program: str, arguments: str, config: str, socket: str, said_by: str) -> None:
    found = parse_kubelet(1, program, arguments.split(), config, default_socket(program))
    assert (found.socket, found.said_by) == (socket, said_by)


def test_of_drop_ins_the_last_wins() -> None:
    assert (
        parse_kubelet(1, "kubelet", [], KUBEADM + "cgroupDriver: cgroupfs\n", "/run/x").cgroup_driver == "cgroupfs"
    )


@pytest.mark.parametrize(
    ("arguments", "config", "driver"),
    [("", KUBEADM, "systemd"), ("--cgroup-driver=cgroupfs", KUBEADM, "cgroupfs"), ("", "", None)],
)
def test_a_kubelet_tells_its_cgroup_driver_if_it_was_told(arguments: str, config: str, driver: str | None) -> None:
    assert parse_kubelet(1, "kubelet", arguments.split(), config, "/run/x").cgroup_driver == driver


@pytest.mark.parametrize(
    ("arguments", "config", "limit"),
    [
        ("", "podPidsLimit: 100\n", 100),
        ("--pod-max-pids=200", "podPidsLimit: 100\n", 200),
        ("", "podPidsLimit: -1\n", -1),
        ("", '"podPidsLimit": 4096,\n', 4096),
        ("", "podPidsLimit: many\n", None),
        ("", "", None),
    ],
)
def test_a_kubelet_tells_how_many_threads_a_pod_may_have(arguments: str, config: str, limit: int | None) -> None:
    assert parse_kubelet(1, "kubelet", arguments.split(), config, "/run/x").pod_pids_limit == limit


PLAIN = Candidate(400, "containerd.service", ("/run/containerd/containerd.sock",), "/etc/containerd/config.toml")
DOCKERS = Candidate(
    500, "docker.service", ("/run/docker/containerd/containerd.sock",), "/run/docker/containerd/containerd.toml"
)
K3S = Candidate(
    600,
    "k3s.service",
    ("/run/k3s/containerd/containerd.sock",),
    "/var/lib/rancher/k3s/agent/etc/containerd/config.toml",
)


def kubelet(socket: str, program: str = "kubelet") -> Kubelet:
    return Kubelet(300, program, socket, "its configuration says so", None)


@pytest.mark.parametrize("chosen", [PLAIN, DOCKERS, K3S], ids=lambda each: each.unit)
def test_of_several_containerds_the_one_that_kubelet_talks_to_is_chosen(chosen: Candidate) -> None:
    choice = choose((PLAIN, DOCKERS, K3S), (kubelet(chosen.sockets[0]),))
    assert choice.chosen == chosen
    assert choice.why == "kubelet talks to it (its configuration says so)"
    assert set(choice.passed_over) == {PLAIN, DOCKERS, K3S} - {chosen}


def test_var_run_is_run() -> None:
    listening = Candidate(1, "containerd.service", ("/var/run/containerd/containerd.sock",), "/c")
    assert choose((listening, DOCKERS), (kubelet("/run/containerd/containerd.sock"),)).chosen == listening


def test_a_containerd_to_which_kubelet_does_not_talk_is_not_chosen_though_it_is_the_only_one() -> None:
    choice = choose((DOCKERS,), (kubelet("/run/crio/crio.sock"),))
    assert choice.chosen is None
    assert choice.problem is not None
    assert choice.problem.message == (
        "kubelet talks to /run/crio/crio.sock (its configuration says so), where no containerd listens; "
        "there is docker.service at /run/docker/containerd/containerd.sock"
    )
    assert "[containerd] unit" in choice.problem.hint


def test_without_a_kubelet_the_only_containerd_is_chosen() -> None:
    choice = choose((PLAIN,), ())
    assert (choice.chosen, choice.why) == (PLAIN, "no kubelet runs, and it is the only containerd")


def test_without_a_kubelet_two_containerds_are_refused_and_the_setting_is_asked_for() -> None:
    choice = choose((PLAIN, DOCKERS), ())
    assert choice.chosen is None
    assert choice.problem is not None
    assert choice.problem.message == (
        "2 containerds run (containerd.service at /run/containerd/containerd.sock, docker.service at "
        "/run/docker/containerd/containerd.sock), and no kubelet runs that would show it"
    )
    assert (
        choice.problem.hint == 'set the one that runs the pods, such as [containerd] unit = "containerd.service"'
    )


def test_two_kubelets_that_talk_to_different_sockets_decide_nothing() -> None:
    choice = choose((PLAIN, K3S), (kubelet(PLAIN.sockets[0]), kubelet(K3S.sockets[0], "k3s-agent")))
    assert choice.problem is not None
    assert "kubelets talk to /run/containerd/containerd.sock and /run/k3s/" in choice.problem.message


@pytest.mark.parametrize(
    "known",
    [
        {"unit": "docker.service"},
        {"unit": "docker"},
        {"socket": "/var/run/docker/containerd/containerd.sock"},
        {"config": DOCKERS.config_path},
    ],
    ids=str,
)
def test_a_setting_decides(known: dict[str, str]) -> None:
    assert choose((PLAIN, DOCKERS), (), **known).chosen == DOCKERS


def test_a_setting_wins_over_kubelet() -> None:
    choice = choose((PLAIN, DOCKERS), (kubelet(PLAIN.sockets[0]),), unit="docker.service")
    assert (choice.chosen, choice.why) == (DOCKERS, "[containerd] unit is docker.service")


def test_a_setting_that_fits_nothing_is_refused_with_what_there_is() -> None:
    choice = choose((PLAIN,), (), unit="k3s")
    assert choice.problem is not None
    assert choice.problem.message == (
        "[containerd] unit is k3s, which is 0 of the containerds that run "
        "(containerd.service at /run/containerd/containerd.sock)"
    )


def test_a_configuration_file_that_is_set_for_all_tells_none_apart() -> None:
    same = Candidate(2, "other.service", ("/run/other.sock",), PLAIN.config_path)
    assert choose((PLAIN, same), (), config=PLAIN.config_path).chosen is None


def test_no_containerd_is_no_choice_and_no_problem_of_choosing() -> None:
    choice = choose((), (kubelet(PLAIN.sockets[0]),))
    assert (choice.chosen, choice.problem) == (None, None)


def test_a_containerd_that_starts_and_does_not_listen_yet_is_still_the_one() -> None:
    starting = Candidate(400, "containerd.service", (), "/etc/containerd/config.toml")
    assert choose((starting,), (kubelet(PLAIN.sockets[0]),)).chosen == starting
