"""Images for several architectures: what is in them, and the same bytes each time."""

from __future__ import annotations

from pathlib import Path

from nodeprov.releases.container_image import Build, Member, Written, write_image
from tests.support.image_files import read_image

LOWER = {
    "usr/bin/tool": Member(b"#!", 0o755),
    "bin": Member(target="usr/bin"),
    "usr/share/doc/x": Member(b"text"),
}


def written(folder: Path) -> tuple[Path, Written]:
    folder.mkdir()
    (folder / "program").write_bytes(b"program" * 1000)
    upper = {"opt/a/program": Member(folder / "program", 0o755), "usr/share/doc/x": Member(b"newer")}
    builds = {
        name: Build([LOWER, upper], ("/usr/bin/tool", "-v"), {"B": "2", "A": name})
        for name in ("x86_64", "aarch64")
    }
    with (folder / "image.tar").open("wb") as target:
        return folder / "image.tar", write_image("localhost/x:1.2", builds, target, folder, lambda *_: None)


def test_it_has_a_build_for_each_architecture(tmp_path: Path) -> None:
    path, said = written(tmp_path / "one")
    name, digest, builds = read_image(path)
    assert (name, digest, said.architectures) == (said.reference, said.digest, ("aarch64", "x86_64"))
    assert name == "localhost/x:1.2"
    assert sorted(builds) == ["amd64", "arm64"]
    assert builds["arm64"].config == {"Entrypoint": ["/usr/bin/tool", "-v"], "Env": ["A=aarch64", "B=2"]}


def test_its_layers_lie_over_each_other_and_have_no_times_and_owners(tmp_path: Path) -> None:
    build = read_image(written(tmp_path / "one")[0])[2]["amd64"]
    assert len(build.layers) == 2
    assert build.content("opt/a/program") == b"program" * 1000
    assert build.content("usr/share/doc/x") == b"newer"
    members = build.members
    assert (members["bin"].linkname, members["usr/bin"].isdir()) == ("usr/bin", True)
    assert {name: oct(each.mode) for name, each in members.items() if each.isreg()} == {
        "usr/bin/tool": "0o755",
        "usr/share/doc/x": "0o644",
        "opt/a/program": "0o755",
    }
    assert {(each.mtime, each.uid, each.gid, each.uname) for each in members.values()} == {(0, 0, 0, "")}


def test_the_same_builds_give_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "one")[0].read_bytes() == written(tmp_path / "two")[0].read_bytes()
