from __future__ import annotations

import pytest

from nodeprov.containerd.words import cri_messages, last_words
from tests.support.containerd_words import DETAIL, REFUSED

WITHOUT_ERROR = "Type: io.containerd.grpc.v1\nID: cri\n"


def test_a_daemon_of_1x_and_one_of_2x_are_asked_alike() -> None:
    assert cri_messages(DETAIL) == (REFUSED,)
    assert cri_messages(WITHOUT_ERROR) == ()
    assert cri_messages("Type: io.containerd.snapshotter.v1\nID: native\n") is None


@pytest.mark.parametrize(
    ("log", "said"),
    [
        pytest.param(
            'time="…" level=error msg="Failure unmarshaling TOML" column=9 error="toml: no" file=/b.toml row=4\n'
            "containerd: failed to unmarshal TOML at row 4 column 9: toml: no\n",
            "/b.toml: failed to unmarshal TOML at row 4 column 9: toml: no",
            id="2.x, which names an imported file only in a line before",
        ),
        pytest.param(
            "containerd: failed to load TOML: /b.toml: (4, 9): cannot have multiple equals for the same key\n",
            "failed to load TOML: /b.toml: (4, 9): cannot have multiple equals for the same key",
            id="1.7",
        ),
        pytest.param(
            'time="…" level=error msg="failed to load plugin" error="no devmapper"\ncontainerd: port is taken\n',
            "port is taken",
            id="an error before is not its file",
        ),
        pytest.param("", "", id="nothing"),
    ],
)
def test_why_containerd_ended_is_told_with_the_file_and_the_place_in_it(log: str, said: str) -> None:
    assert last_words(log) == said
