from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nodeprov.redaction import HIDDEN, redacted, redacted_value, visible

S = "s3cr3t-Zq9/+x"

HAVE_SECRETS = {
    "TOML": f'password = "{S}"',
    "TOML, in single quotes": f"identitytoken = '{S}'",
    "TOML, over lines": f'token = """\nab\n{S}\n"""',
    "TOML, a list": f'Authorization = ["Basic {S}"]',
    "TOML, a list over lines": f'Authorization = [\n  "Basic {S}",\n]',
    "TOML, a quoted key": f'"registry.password" = "{S}"',
    "TOML, a dotted key": f'configs."r.example".auth.password = "{S}"',
    "TOML, an escaped quote": f'password = "a\\"{S}"',
    "containerd's registry auth": f'[plugins.x.registry.configs."r".auth]\n  username = "u"\n  password = "{S}"',
    "JSON": f'{{"password": "{S}", "user": "u"}}',
    "Docker's auths": json.dumps({"auths": {"r.example": {"auth": S}}}),
    "JSON in a JSON string": json.dumps({"annotation": json.dumps({"token": S})}),
    "JSON in JSON in JSON": json.dumps({"a": json.dumps({"b": json.dumps({"token": S})})}),
    "YAML": f"users:\n- user:\n    token: {S}\n",
    "YAML, with blanks": f"passphrase: several words {S} and more",
    "YAML, a block": f"password: |\n  first\n  {S}\nuser: u",
    "a kubeconfig's key": f"    client-key-data: {S}",
    "a kubeconfig's certificate": f"    client-certificate-data: {S}",
    "an environment": f"HTTP_PROXY_PASSWORD={S}",
    "a command's option": f"kubectl --token {S} get nodes",
    "a command's option with =": f"kubectl --token={S} get nodes",
    "a command's option in quotes": f"kubectl --password '{S}' get nodes",
    "kubeadm join": "kubeadm join 10.0.0.1:6443 --token abcdef.0123456789abcdef",
    "a header": f"Authorization: Bearer {S}",
    "a header in curl": f"curl -H 'Authorization: Bearer {S}' https://r.example/v2/",
    "a bearer alone": f"sent Bearer {S} to the registry",
    "a URL": f"https://user:{S}@r.example/v2/".replace("/+", ""),
    "a proxy": f"Environment=HTTPS_PROXY=http://user:{S}@proxy:3128".replace("/+", ""),
    "a proxy whose password has an @": f"HTTPS_PROXY=http://user:p@{S}@proxy:3128",
    "a proxy whose password has a quote": f'Environment="HTTPS_PROXY=http://user:it\'{S}@proxy:3128"',
    "a log": f'time="x" level=error msg="login failed" password={S} user=u',
    "a JSON web token": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl",
    "an AWS key": "AKIAIOSFODNN7EXAMPLE",
    "a private key": f"-----BEGIN RSA PRIVATE KEY-----\nMIIE{S}\n-----END RSA PRIVATE KEY-----",
    "a private key that is cut off": f"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl{S}",
}

SECRETS = (S, S.replace("/+", ""), "0123456789abcdef", "c2lnbmF0dXJl", "IOSFODNN7", "eyJzdWIi")

HAVE_NONE = (
    "",
    "kubectl --kubeconfig /etc/kubernetes/admin.conf get node worker1 -o json --ignore-not-found",
    '[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runsc]\nruntime_type = "io.containerd.runsc.v1"',
    "--authorization-mode=Node,RBAC --bind-address=10.0.0.1",
    '"author": {"user": "root", "controller": "laptop"}',
    '"automountServiceAccountToken": false',
    '{"automountServiceAccountToken": false, "enableServiceLinks": false}',
    "key = 'value'\n",
    'Nov 21 14:33:16 worker1 containerd[400]: level=info msg="Start cri plugin"',
    'password = ""',
    "path=$token",
    "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "https://10.123.0.10:6443",
    "ssh://git@example.com".replace("git@", ""),
)


@pytest.mark.parametrize("text", HAVE_SECRETS.values(), ids=HAVE_SECRETS.keys())
def test_no_secret_is_shown(text: str) -> None:
    shown = redacted(text)
    assert not [secret for secret in SECRETS if secret in shown], shown
    assert HIDDEN in shown


@pytest.mark.parametrize("text", HAVE_NONE)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


@pytest.mark.parametrize("text", HAVE_SECRETS.values(), ids=HAVE_SECRETS.keys())
def test_what_was_redacted_stays_as_it_is(text: str) -> None:
    assert redacted(redacted(text)) == redacted(text)


def test_names_and_neighbours_stay() -> None:
    assert redacted(f'user = "u"\npassword = "{S}"\nport = 1') == f'user = "u"\npassword = "{HIDDEN}"\nport = 1'
    assert redacted(f"docker login --password {S} r.example") == f"docker login --password {HIDDEN} r.example"
    assert json.loads(redacted(HAVE_SECRETS["JSON"])) == {"password": HIDDEN, "user": "u"}
    assert json.loads(redacted(HAVE_SECRETS["Docker's auths"])) == {"auths": {"r.example": {"auth": HIDDEN}}}


def test_values_are_redacted_by_their_names() -> None:
    value = {"a": [{"password": S, "port": 5000}], "env": [f"TOKEN={S}"], "tokens": [S], "author": "u"}
    assert redacted_value(value) == {
        "a": [{"password": HIDDEN, "port": 5000}],
        "env": [f"TOKEN={HIDDEN}"],
        "tokens": [HIDDEN],
        "author": "u",
    }


@given(st.text())
def test_any_text_is_redacted_and_made_visible_without_an_error(text: str) -> None:
    shown = visible(redacted(text))
    assert all(char in "\n\t" or char.isprintable() or ord(char) >= 0xA0 for char in shown)


def test_what_commands_a_terminal_is_written_as_an_escape() -> None:
    assert visible("a\x1b[31mred\x07\r\n\tb\x9bc") == "a\\x1b[31mred\\x07\\r\n\tb\\x9bc"
    assert visible("a\ufffe\uffff") == "a\\ufffe\\uffff"
    assert visible("grün \N{RIGHT-TO-LEFT OVERRIDE}x") == "grün \\u202ex"


@pytest.mark.parametrize(
    "part", ["password", "\\", '"', "a.", "token: [", "token=", "-----BEGIN PRIVATE KEY-----", "eyJaaaaaaaa."]
)
def test_a_hostile_line_takes_no_time(part: str) -> None:
    began = time.monotonic()
    redacted(part * (200_000 // len(part)))
    assert time.monotonic() - began < 10
