"""What is published for a release, by its sums and pins, and what is no release at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.obtaining import FOLDER, OLD, SHIM, VERSION, digest, get, refusal
from tests.support.release_server import ReleaseServer, archived, loose, status, sum_line


def test_bz2_is_used_where_there_is_no_zstd(server: ReleaseServer, cache: Path) -> None:
    del server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    assert get(server, cache).sha512.keys() == {"gvisor.tar.bz2"}


def test_an_archive_is_preferred_to_loose_files(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, loose(VERSION))
    assert get(server, cache).layout == "archive"


def test_each_architecture_is_fetched_from_its_own_folder(server: ReleaseServer, cache: Path) -> None:
    intel, arm = get(server, cache), get(server, cache, architecture="aarch64")
    assert intel.folder != arm.folder
    assert intel.name != arm.name


def test_a_date_alone_is_the_release_of_that_day(server: ReleaseServer, cache: Path) -> None:
    server.publish("20260905", archived("20260905.2"))
    assert get(server, cache, "20260905").version == "20260905"


def test_a_release_that_is_not_there_is_an_error_with_address_status_and_hint(
    server: ReleaseServer, cache: Path
) -> None:
    error = refusal(server, cache, "20260906")
    assert error.where == f"{server.url}/release/20260906/x86_64"
    assert error.message == (
        "there is no gVisor 20260906 for x86_64: 404 for gvisor.tar.zstd, gvisor.tar.bz2, runsc"
    )
    assert "try 20260906.0" in error.hint
    assert "base_url" in error.hint


def test_a_denied_archive_does_not_hide_loose_files(server: ReleaseServer, cache: Path) -> None:
    for name in ("gvisor.tar.zstd.sha512", "gvisor.tar.bz2.sha512"):
        server.faults[f"/release/{OLD}/x86_64/{name}"] = [status(403)]
    assert get(server, cache, OLD).layout == "loose"


def test_where_all_is_denied_the_error_says_that_it_may_be_absent(server: ReleaseServer, cache: Path) -> None:
    for name in ("gvisor.tar.zstd.sha512", "gvisor.tar.bz2.sha512", "runsc.sha512"):
        server.faults[FOLDER + name] = [status(403)]
    error = refusal(server, cache)
    assert error.message == "403 Forbidden"
    assert "whether the release exists" in error.hint


def test_a_server_in_trouble_is_not_taken_for_an_absent_release(server: ReleaseServer, cache: Path) -> None:
    server.faults[FOLDER + "gvisor.tar.zstd.sha512"] = [status(500)] * 100
    assert "500" in refusal(server, cache).message
    assert server.count("bz2.sha512") == 0


def test_half_of_a_loose_release_is_refused(server: ReleaseServer, cache: Path) -> None:
    del server.files[f"/release/{OLD}/x86_64/{SHIM}.sha512"]
    assert refusal(server, cache, OLD).message == f"the release has no {SHIM}"


SUMS = {
    "a web page": (b"<html>log in</html>", "not a line of sha512sum (it begins with `<html>log in</ht`)"),
    "nothing": (b"", "not a line of sha512sum (it is empty)"),
    "another file's": (sum_line("runsc", b"x"), "the sum is that of 'runsc'"),
    "a path's": (sum_line("./gvisor.tar.zstd", b"x"), "the sum is that of './gvisor.tar.zstd'"),
    "upper case": (sum_line("gvisor.tar.zstd", b"x").upper(), "the sum is that of 'GVISOR.TAR.ZSTD'"),
    "another file's, as BSD writes it": (b"SHA512 (runsc) = " + b"a" * 128 + b"\n", "the sum is that of 'runsc'"),
    "two digests": ((b"a" * 128 + b"\n") * 2, "not a line of sha512sum"),
    "a sha256": (b"a" * 64 + b"  gvisor.tar.zstd\n", "not a line of sha512sum"),
    "two lines": (sum_line("gvisor.tar.zstd", b"x") * 2, "not a line of sha512sum"),
}


@pytest.mark.parametrize(("line", "message"), SUMS.values(), ids=SUMS.keys())
def test_a_sum_that_is_none_or_another_files_is_refused(
    server: ReleaseServer, cache: Path, line: bytes, message: str
) -> None:
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = line
    error = refusal(server, cache)
    assert message in error.message
    assert error.where == f"{server.url}{FOLDER}gvisor.tar.zstd.sha512"


FORMS: dict[str, Callable[[str], str]] = {
    "the bare digest, as Artifactory answers": "{}".format,
    "the bare digest and a line end": "{}\n".format,
    "as sha512sum writes it on Windows": "{}  gvisor.tar.zstd\r\n".format,
    "as sha512sum --tag writes it": "SHA512 (gvisor.tar.zstd) = {}\n".format,
    "in capitals": lambda digest: f"{digest.upper()}\n",
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_mirrors_own_form_of_the_sum_is_understood(
    server: ReleaseServer, cache: Path, form: Callable[[str], str]
) -> None:
    wanted = digest(server, "gvisor.tar.zstd")
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = form(wanted).encode()
    assert get(server, cache).sha512 == {"gvisor.tar.zstd": wanted}


def test_a_digest_alone_of_another_file_is_found_out_by_the_download(server: ReleaseServer, cache: Path) -> None:
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = digest(server, "gvisor.tar.bz2").encode()
    assert "the file has the sha512" in refusal(server, cache).message


@pytest.mark.parametrize("line", [None, b"", b"<html>log in</html>", sum_line("runsc", b"x")])
def test_with_a_pin_a_mirror_needs_no_sum_that_can_be_read(
    server: ReleaseServer, cache: Path, line: bytes | None
) -> None:
    pins = {"gvisor.tar.zstd": digest(server, "gvisor.tar.zstd")}
    server.files.pop(FOLDER + "gvisor.tar.zstd.sha512")
    if line is not None:
        server.files[FOLDER + "gvisor.tar.zstd.sha512"] = line
    assert get(server, cache, pins=pins).sha512 == pins


def test_with_a_pin_and_without_a_sum_other_bytes_are_refused(server: ReleaseServer, cache: Path) -> None:
    del server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    assert "and should have 0000" in refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128}).message


def test_a_sum_in_binary_mode_or_without_line_end_is_understood(server: ReleaseServer, cache: Path) -> None:
    line = server.files[FOLDER + "gvisor.tar.zstd.sha512"]
    server.files[FOLDER + "gvisor.tar.zstd.sha512"] = line.replace(b"  ", b" *").strip()
    assert get(server, cache).layout == "archive"


def test_the_pinned_artifact_is_fetched_though_another_is_preferred(server: ReleaseServer, cache: Path) -> None:
    pins = {"gvisor.tar.bz2": digest(server, "gvisor.tar.bz2")}
    assert get(server, cache, pins=pins).sha512 == pins
    assert server.count("zstd.sha512") == 0


def test_loose_files_are_used_when_they_are_what_is_pinned(server: ReleaseServer, cache: Path) -> None:
    server.publish(VERSION, loose(VERSION))
    pins = {"runsc": digest(server, "runsc"), SHIM: digest(server, SHIM)}
    assert get(server, cache, pins=pins).layout == "loose"


def test_a_pin_of_an_artifact_that_is_not_used_does_not_matter(server: ReleaseServer, cache: Path) -> None:
    pins = {"gvisor.tar.zstd": digest(server, "gvisor.tar.zstd"), "gvisor.tar.bz2": "0" * 128, "runsc": "1" * 128}
    assert get(server, cache, pins=pins).sha512.keys() == {"gvisor.tar.zstd"}


def test_an_origin_that_changed_is_refused_before_anything_is_downloaded(
    server: ReleaseServer, cache: Path
) -> None:
    error = refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128})
    assert error.message.startswith("the origin has changed: gvisor.tar.zstd")
    assert "0" * 128 in error.message
    assert digest(server, "gvisor.tar.zstd") in error.message
    assert server.count("gvisor.tar.zstd") == 0


def test_what_is_pinned_and_absent_is_not_replaced_by_what_is_not_pinned(
    server: ReleaseServer, cache: Path
) -> None:
    for name in ("gvisor.tar.zstd", "gvisor.tar.zstd.sha512"):
        del server.files[FOLDER + name]
    error = refusal(server, cache, pins={"gvisor.tar.zstd": "0" * 128})
    assert error.message.endswith("404 for gvisor.tar.zstd")
