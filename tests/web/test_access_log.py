"""The access log keeps what helps and nothing that lets somebody in."""

from __future__ import annotations

import pytest

from web import serve


def test_a_sign_in_link_never_reaches_the_access_log(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[str] = []
    monkeypatch.setattr(serve.logger, "info", lambda _event, **said: kept.append(said["path"]))
    logged = serve._logged(lambda _environ, start: [start("200 OK", []) or b""])
    for path in ("/sign-in/very-secret", "/sign-in", "/key-results/1"):
        list(logged({"REQUEST_METHOD": "GET", "PATH_INFO": path}, lambda *_: None))
    assert kept == ["/sign-in/…", "/sign-in", "/key-results/1"]
