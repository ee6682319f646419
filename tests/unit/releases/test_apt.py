from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.errors import NodeprovError
from nodeprov.releases.apt import Packed, packed, stanzas
from tests.support.locks import apt
from tests.support.obtaining import VERSION, source_at
from tests.support.release_server import ReleaseServer, sha512, tree
from tests.support.signing import publish_suite, suite_files, suite_key

INDEX = "/dists/20260905/main/binary-amd64/Packages.xz"
PACKAGE = f"/pool/{VERSION}/binary-amd64/runsc.deb"


def look(server: ReleaseServer, cache: Path, version: str = VERSION) -> Packed | None:
    verify = apt().verify
    assert verify
    return packed(source_at(server, cache), verify, version, "x86_64")


def refusal(server: ReleaseServer, cache: Path) -> NodeprovError:
    with pytest.raises(NodeprovError) as caught:
        look(server, cache)
    assert caught.value.hint
    assert caught.value.where.startswith(server.url)
    return caught.value


def test_the_chain_leads_from_the_signature_to_each_file(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    files = {name: (len(content), sha512(content)) for name, content in tree(VERSION).items()}
    at = f"{server.url}/dists/20260905/InRelease"
    assert look(server, cache) == Packed(at, suite_key().fingerprint, files)


def test_a_package_is_downloaded_once(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    assert look(server, cache) == look(server, cache)
    assert server.count("runsc.deb") == 1
    [kept] = (cache / "packages").iterdir()
    assert kept.suffix == ".json"
    kept.write_text("{")
    assert look(server, cache)
    assert server.count("runsc.deb") == 2


def test_what_others_may_have_measured_is_not_believed(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    look(server, cache)
    (cache / "packages").chmod(0o777)
    with pytest.raises(NodeprovError, match="everybody may write there"):
        look(server, cache)


def test_a_suite_that_is_not_there_is_none(server: ReleaseServer, cache: Path) -> None:
    assert look(server, cache) is None


def test_a_suite_without_this_release_is_none(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    assert look(server, cache, "20260905.1") is None


def test_indexes_that_are_not_compressed_are_read_too(server: ReleaseServer, cache: Path) -> None:
    plain = {path: content for path, content in suite_files().items() if not path.endswith(".xz")}
    text = "\n".join(
        line
        for line in plain["/dists/20260905/InRelease"].decode().split("\n")
        if not line.endswith("Packages.xz")
    )
    inner = text.split("\n\n", 1)[1].split("-----BEGIN PGP SIGNATURE")[0]
    server.files.update({**plain, "/dists/20260905/InRelease": suite_key().clearsigned(inner)})
    found = look(server, cache)
    assert found
    assert sorted(found.files) == sorted(tree(VERSION))


def test_a_suite_that_is_signed_under_another_name_is_refused(server: ReleaseServer, cache: Path) -> None:
    for path, content in suite_files(suite="20260501").items():
        server.files[path.replace("/dists/20260501", "/dists/20260905")] = content
    assert "signed for the suite '20260501'" in refusal(server, cache).message


@pytest.mark.parametrize("path", ["/dists/20260905/InRelease", INDEX, PACKAGE])
def test_what_is_altered_anywhere_on_the_way_is_refused(server: ReleaseServer, cache: Path, path: str) -> None:
    publish_suite(server)
    altered = bytearray(server.files[path])
    altered[len(altered) // 2] ^= 1
    server.files[path] = bytes(altered)
    refusal(server, cache)


def test_an_index_that_is_missing_is_refused(server: ReleaseServer, cache: Path) -> None:
    publish_suite(server)
    del server.files[INDEX]
    assert "Packages.xz is missing" in refusal(server, cache).message


def test_paragraphs_of_a_control_file_are_read() -> None:
    text = "A: 1\nLong: x\n more\n\tand more\nurl: a:b\n\n\nA: 2\nno field\n"
    assert list(stanzas(text)) == [{"a": "1", "long": "x\n more\n\tand more", "url": "a:b"}, {"a": "2"}]
