from __future__ import annotations

import json

from nodeprov.kubernetes.images import GO_ARCHITECTURES
from nodeprov.releases import oci


def test_a_value_is_written_in_one_way() -> None:
    assert oci.text_of({"b": 1, "a": [1, "x"]}) == b'{"a":[1,"x"],"b":1}'


def test_architectures_have_the_names_that_images_have_elsewhere() -> None:
    assert oci.ARCHITECTURES == GO_ARCHITECTURES


def test_a_configuration_names_the_platform_and_the_layer() -> None:
    value = json.loads(oci.config("aarch64", "0" * 64))
    assert (value["architecture"], value["os"]) == ("arm64", "linux")
    assert value["rootfs"] == {"type": "layers", "diff_ids": [f"sha256:{'0' * 64}"]}
