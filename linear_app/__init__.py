"""Everything that only Linear needs: OAuth and its rotating tokens, webhooks, payloads, client, labels and cards."""

from linear_app.tracker import TRACKER

__all__ = ["TRACKER"]
