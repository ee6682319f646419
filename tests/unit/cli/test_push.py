from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.support.bundles import bundled_folder, entries, wheel
from tests.support.command_line import at_home, said
from tests.support.locked import with_trust
from tests.support.obtaining import VERSION
from tests.support.registry_server import registry
from tests.support.release_server import ReleaseServer
from tests.support.signing import allowed


def test_all_of_a_bundle_is_pushed_and_tagged_once(folder: Path, server: ReleaseServer) -> None:
    wheel(folder / "wheels")
    bundle = bundled_folder(folder, server, "--wheels", "wheels")
    (folder / ".docker").mkdir()
    with registry() as there:
        login = base64.b64encode(b"ann:secret").decode()
        (folder / ".docker" / "config.json").write_text(json.dumps({"auths": {there.host: {"auth": login}}}))
        there.want_token()
        command = ["push", "bundle.tar", f"{there.host}/mirror/gvisor", "--plain-http", "--json"]
        output = at_home(folder, *command)
        assert output.returncode == 0, said(output)
        first = json.loads(output.text)
        again = json.loads(at_home(folder, *command).text)
        tags = {each["tag"]: each["digest"] for each in first["tags"]}
        assert [*tags] == [
            VERSION,
            "test-pod-0.1.0",
            f"lock-{VERSION}",
            "wheels-0.1.0",
            f"bundle-{VERSION}",
        ]
        assert all(there.manifests[tag] == there.manifests[digest] for tag, digest in tags.items())
        files = entries(bundle)
        assert there.manifests[f"bundle-{VERSION}"] == files["index.json"]
        pushed = {*there.blobs.values(), *there.manifests.values()}
        assert pushed == {content for name, content in files.items() if name != "oci-layout"}
        assert (first["there"], again["sent"]) == (0, 0)
        assert first["sent"] == again["there"] == len(there.blobs)


def test_what_is_altered_or_not_signed_is_not_pushed(folder: Path, server: ReleaseServer) -> None:
    bundle = bundled_folder(folder, server)
    with registry() as there:
        command = ["push", "bundle.tar", f"{there.host}/mirror/gvisor", "--plain-http"]
        content = bundle.read_bytes()
        bundle.write_bytes(content[:-1])
        assert at_home(folder, *command).returncode == 2
        bundle.write_bytes(content)
        allowed(folder, "ann")
        with_trust(folder, server, 'allowed_signers = "allowed_signers"')
        output = at_home(folder, *command)
        assert (output.returncode, "it is not signed" in said(output)) == (2, True)
        assert there.asked == []
    assert at_home(folder, "push", "bundle.tar", "gvisor").returncode == 2
