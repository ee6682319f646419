from __future__ import annotations

import os

import pytest

from nodeprov.diagnosis.verify.verification import _without_the_users_pytest_options


def test_options_for_the_users_own_pytest_runs_are_hidden_and_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ADDOPTS", "--no-such-option")
    with _without_the_users_pytest_options():
        assert "PYTEST_ADDOPTS" not in os.environ
    assert os.environ["PYTEST_ADDOPTS"] == "--no-such-option"
