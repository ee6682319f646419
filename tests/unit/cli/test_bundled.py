from __future__ import annotations

from pathlib import Path

import pytest

from nodeprov.cli.bundled import open_bundle, unpack, verified
from nodeprov.errors import UsageError
from nodeprov.hosts.ssh_signatures import BUNDLE, LOCK, NotSigned, sign
from nodeprov.inventory import Inventory, parse
from nodeprov.runtimes import SOFTWARE
from tests.support.bundles import bundled_folder, forged
from tests.support.release_server import ReleaseServer
from tests.support.signing import allowed, ssh_key


@pytest.fixture
def bundle(folder: Path, server: ReleaseServer) -> Path:
    return bundled_folder(folder, server)


def inventory(folder: Path, *sets: str) -> Inventory:
    path = folder / "nodeprov.toml"
    return parse(path.read_text(), str(path), options=sets)


def test_a_bundle_is_signed_by_its_index(folder: Path, bundle: Path) -> None:
    whole = inventory(folder, f"trust.allowed_signers={allowed(folder, 'ann')}")
    signature = bundle.with_name("bundle.tar.sig")
    for namespace, key in ((LOCK, "ann"), (BUNDLE, "bob")):
        signature.write_bytes(sign(verified(bundle).layout.index, namespace, str(ssh_key(key))))
        with pytest.raises(NotSigned):
            open_bundle(whole, bundle)
    signature.write_bytes(sign(verified(bundle).layout.index, BUNDLE, str(ssh_key("ann"))))
    assert open_bundle(whole, bundle) == (verified(bundle), "ann@example.com")
    forged(bundle, lambda index: index["annotations"].update({"io.nodeprov.version": "9"}))
    assert verified(bundle)
    with pytest.raises(NotSigned, match="what was signed is something else"):
        open_bundle(whole, bundle)


def test_nobody_has_to_sign_where_no_signers_are_configured(folder: Path, bundle: Path) -> None:
    assert open_bundle(inventory(folder), bundle)[1] == ""
    with pytest.raises(UsageError, match="cannot read the bundle"):
        open_bundle(inventory(folder), folder / "none.tar")


def test_a_release_is_unpacked_below_its_origin(
    folder: Path, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NODEPROV_CACHE", str(folder / "other"))
    found = verified(bundle)
    wanted = inventory(folder).nodes[0].settings.release
    unpack(found, SOFTWARE, wanted, "x86_64", found.lock.builds["x86_64"])
    [program] = (folder / "other").rglob("runsc")
    assert "releases/127.0.0.1-" in str(program)
