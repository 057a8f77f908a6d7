"""What a rule is called wherever people meet it: on links, in the ledger, on its page."""

from __future__ import annotations

LONGEST_NAME = 120


def name_of_rule(kind: str, text: str) -> str:
    """Return what people call a rule: "label sso"."""
    said = " ".join(text.split())
    return f"{kind} {said}" if len(said) <= LONGEST_NAME else f"{kind} {said[: LONGEST_NAME - 1]}…"
