"""API tokens: shown once, kept as a hash, revocable."""

from __future__ import annotations

import pytest

from connector import tokens
from connector.core import Core
from connector.errors import Conflict, Invalid, NotFound
from connector.models import Workspace
from tests.postgres import MovableClock


def test_a_token_opens_its_workspace_until_it_is_revoked(toy_core: Core, clock: MovableClock) -> None:
    with toy_core.database.writing() as session:
        made, secret = tokens.create_token(session, "w", "  CI  ")
        assert secret.startswith(tokens.PREFIX)
        assert made.name == "CI"
        found = tokens.token_of(session, secret)
        assert found is not None
        assert found.workspace_id == "w"
        tokens.revoke_token(session, "w", made.id, now=clock())
        tokens.revoke_token(session, "w", made.id, now=clock())
        assert tokens.token_of(session, secret) is None
        assert [token.revoked_at for token in tokens.list_tokens(session, "w")] == [clock()]


def test_two_tokens_are_never_alike_and_a_guess_opens_nothing(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        one, two = (tokens.create_token(session, "w", "CI")[1] for _ in range(2))
        assert one != two
        for guess in ("", tokens.PREFIX, one[:-1], one + "x", one.upper(), tokens.hash_of(one)):
            assert tokens.token_of(session, guess) is None


def test_a_token_needs_a_name_and_is_revoked_by_its_own_workspace(toy_core: Core, clock: MovableClock) -> None:
    with toy_core.database.writing() as session:
        with pytest.raises(Invalid):
            tokens.create_token(session, "w", "   ")
        made, _ = tokens.create_token(session, "w", "CI")
        with pytest.raises(NotFound):
            tokens.revoke_token(session, "other", made.id, now=clock())


def test_the_command_line_means_the_only_workspace_or_the_named_one(toy_core: Core) -> None:
    with toy_core.database.writing() as session:
        assert tokens.workspace_for_token(session).id == "w"
        session.add(Workspace(id="v", name="Umbrella"))
        session.flush()
        with pytest.raises(Conflict) as unclear:
            tokens.workspace_for_token(session)
        assert unclear.value.reason == "which_workspace"
        assert tokens.workspace_for_token(session, "Umbrella").id == "v"
        assert tokens.workspace_for_token(session, "w").id == "w"
        with pytest.raises(NotFound):
            tokens.workspace_for_token(session, "Nobody")
