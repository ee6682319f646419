from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest

from nodeprov.hosts.local import run_checked
from nodeprov_lab.apt_suite import make_key, package, signing_key, write_suite
from nodeprov_lab.cache import Cache
from tests.support.signing import suite_key

FILES = {"runsc": b"odd", "gvisor-bin/sentry": b"sentry"}


of_debian = pytest.mark.skipif(shutil.which("apt-get") is None, reason="no Debian")


@of_debian
def test_dpkg_reads_the_package(tmp_path: Path) -> None:
    (tmp_path / "x.deb").write_bytes(package("runsc", "20260905.0", "amd64", FILES))
    said = run_checked(["dpkg-deb", "--field", str(tmp_path / "x.deb"), "Package", "Version"], "no package")
    assert said == "Package: runsc\nVersion: 20260905.0\n"
    run_checked(["dpkg-deb", "--extract", str(tmp_path / "x.deb"), str(tmp_path / "root")], "no package")
    bin_folder = tmp_path / "root" / "usr" / "bin"
    assert {name: (bin_folder / name).read_bytes() for name in FILES} == FILES


def test_the_same_programs_give_the_same_package() -> None:
    assert package("runsc", "1", "amd64", FILES) == package("runsc", "1", "amd64", dict(FILES))


@of_debian
def test_apt_trusts_the_suite(tmp_path: Path) -> None:
    """apt itself verifies the signature, and reads the index."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place:
        root = Path(place)
        root.chmod(0o755)
        write_suite(
            root, "20260905", [("runsc", "20260905.0", "amd64", package("runsc", "1", "amd64", {}))], suite_key()
        )
        (root / "keys.asc").write_bytes(suite_key().public.read_bytes())
        for name in ("lists/partial", "archives/partial", "state"):
            (root / name).mkdir(parents=True)
        (root / "sources").write_text(f"deb [arch=amd64 signed-by={root}/keys.asc] file:{root} 20260905 main\n")
        options = {
            "Dir::Etc::SourceList": root / "sources", "Dir::Etc::SourceParts": "/dev/null",
            "Dir::State": root / "state", "Dir::State::Lists": root / "lists", "Dir::Cache": root,
            "APT::Sandbox::User": "root",
        }  # fmt: skip
        given = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        said = run_checked(["apt-get", *given, "update", "--error-on=any"], "apt refuses it")
        assert "20260905 InRelease" in said
        assert "20260905.0" in run_checked(["apt-cache", *given, "madison", "runsc"], "apt finds nothing")


def test_the_lab_has_one_key(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    assert signing_key(cache).fingerprint == signing_key(cache).fingerprint
    assert (signing_key(cache).public.parent / "secret.asc").stat().st_mode & 0o777 == 0o600
    (tmp_path / "other").mkdir()
    make_key(tmp_path / "other")
    assert (tmp_path / "other" / "fingerprint").read_text().strip() != signing_key(cache).fingerprint
