"""The rules by which k0s itself reads containerd.d, as its source has them (ValidateConfigFile)."""

from __future__ import annotations

import pytest

from nodeprov.containerd import Config
from nodeprov.containerd.distributions.drop_ins import refused_drop_ins

PATH = "/etc/k0s/containerd.d/nvidia.toml"
TWO = "version = 2\n[plugins.'io.containerd.grpc.v1.cri'.containerd]\ndefault_runtime_name = 'nvidia'\n"


def refused(text: str, version: tuple[int, ...]) -> list[str]:
    return [each.message for each in refused_drop_ins({PATH: Config(text)}, version)]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version = 3\n",
        "[debug]\nlevel = 'info'\n",
        "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd]\ndefault_runtime_name = 'nvidia'\n",
    ],
)
def test_what_k0s_starts_with(text: str) -> None:
    assert refused(text, (2, 2, 0)) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TWO, f"{PATH} states version 2: k0s with containerd 2 does not start with any but version 3"),
        ("version = 4\n", f"{PATH} states version 4: k0s"),
        ("version = '3'\n", f"{PATH} states version '3': k0s"),
        ("version = true\n", f"{PATH} states version True: k0s"),
        (TWO.partition("\n")[2], f"{PATH} line 1 has the CRI section of version 2"),
        (
            "version = 3\n\n[plugins.'io.containerd.grpc.v1.cri']\n",
            f"{PATH} line 3 has the CRI section",
        ),
        ("version = ", f"{PATH}: not valid TOML"),
    ],
)
def test_what_k0s_does_not_start_with_is_named_with_its_place(text: str, said: str) -> None:
    (message,) = refused(text, (2, 2, 0))
    assert message.startswith(said)
    assert "k0s" in message


def test_with_containerd_1_a_file_need_only_be_toml() -> None:
    assert refused(TWO, (1, 7, 27)) == []
    assert len(refused("version = ", (1, 7, 27))) == 1
