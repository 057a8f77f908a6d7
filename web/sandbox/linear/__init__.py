"""A stand-in for the parts of Linear that Ladder touches, for tests and for the demo. Not Linear.

It shares no code with the rest of the project, so that it can catch mistakes: tokens, signatures and payloads are made
here from the published contract, a second time.

    workspace = LinearWorkspace(name="Acme", base_url="http://127.0.0.1:8082")
    workspace.oauth.register(
        redirect_uri="http://127.0.0.1:8080/linear/callback", webhook_url="http://127.0.0.1:8080/linear/webhooks"
    )
    with WorkspaceServer(workspace, port=8082):
        callback = workspace.oauth.visit(authorize_address)
        story = workspace.create_issue("SSO for everybody", estimate=5)
        workspace.transition(story, "Done")
        workspace.webhooks.flush()
"""

from .app import create_linear_app
from .clock import MovableClock
from .deliveries import Attempt, Delivery, WebhookDeliveries, sign
from .faults import Faults
from .oauth import OAuthApp, OAuthError, OAuthServer
from .records import Attachment, Cycle, Issue, Label, Project, Team, User, WorkflowState
from .server import WorkspaceServer
from .state import NotAllowedError, NotFoundError
from .workspace import Call, LinearWorkspace

__all__ = [
    "Attachment",
    "Attempt",
    "Call",
    "Cycle",
    "Delivery",
    "Faults",
    "Issue",
    "Label",
    "LinearWorkspace",
    "MovableClock",
    "NotAllowedError",
    "NotFoundError",
    "OAuthApp",
    "OAuthError",
    "OAuthServer",
    "Project",
    "Team",
    "User",
    "WebhookDeliveries",
    "WorkflowState",
    "WorkspaceServer",
    "create_linear_app",
    "sign",
]
