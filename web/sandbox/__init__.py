"""A stand-in for the parts of Jira Cloud that Ladder touches, for tests and for the demo. Not Atlassian.

It shares no code with the rest of the project, so that it can catch mistakes: tokens, hashes and payloads are made
here from the published contract, a second time.

    site = JiraSite(name="Acme", base_url="http://127.0.0.1:8081")
    with SiteServer(site, port=8081):
        site.install("http://127.0.0.1:8080")
        story = site.create_issue("SSO for everybody", points=5, parent="ATL-1")
        site.transition(story, "Done")
        site.webhooks.flush()
"""

from .app import create_site_app
from .deliveries import Attempt, Delivery, WebhookDeliveries
from .faults import Faults
from .installation import Installation, InstallError
from .records import Issue, Person, Project, Sprint
from .server import SiteServer
from .site import Call, JiraSite
from .state import NotAllowedError, NotFoundError

__all__ = [
    "Attempt",
    "Call",
    "Delivery",
    "Faults",
    "InstallError",
    "Installation",
    "Issue",
    "JiraSite",
    "NotAllowedError",
    "NotFoundError",
    "Person",
    "Project",
    "SiteServer",
    "Sprint",
    "WebhookDeliveries",
    "create_site_app",
]
