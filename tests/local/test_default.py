"""Tests which embedded model is used if a caller gives no name."""

from __future__ import annotations

import pytest

import msgflux_nb as mf
from msgflux_nb.local.default import default_weights
from msgflux_nb.local.weights import WEIGHTS


def test_a_person_without_a_name_gets_one_that_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MSGFLUX_LOCAL_MODEL", raising=False)
    assert default_weights() == "qwen2.5-coder-0.5b"
    assert default_weights() in WEIGHTS
    assert mf.Model.chat_completion().name == "local/qwen2.5-coder-0.5b"


def test_the_environment_may_name_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSGFLUX_LOCAL_MODEL", "smollm2-135m")
    assert mf.Model.chat_completion().name == "local/smollm2-135m"
    monkeypatch.setenv("MSGFLUX_LOCAL_MODEL", "smolm2-135m")
    with pytest.raises(mf.NotFoundError, match="Did you mean 'smollm2-135m'"):
        mf.Model.chat_completion()
