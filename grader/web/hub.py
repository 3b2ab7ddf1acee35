"""Signing in with JupyterHub's OAuth, where the Hub runs the application as a service.

https://jupyterhub.readthedocs.io/en/stable/reference/services.html says what the environment of a service holds; the
flow is OAuth 2's authorization code (RFC 6749, 4.1) with the service's API token as the client's secret.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from grader.errors import UsageError

_TIMEOUT_S = 15
_LIMIT_BYTES = 2**20


@dataclass(frozen=True, slots=True)
class Hub:
    """The Hub that started us. ``callback``: where it sends people back to, as a path."""

    api: str
    authorize: str
    client: str
    callback: str
    token: str = field(repr=False)

    def address(self, secret: str) -> str:
        """Where somebody with this cookie goes to say at the Hub that it is them."""
        query = {
            "client_id": self.client,
            "redirect_uri": self.callback,
            "response_type": "code",
            "state": state_of(secret),
        }
        return f"{self.authorize}?{urlencode(query)}"

    def name_of(self, code: str) -> str:
        """Who came back with ``code``, by the name that the Hub has for them. :raises UsageError: it does not say."""
        form = {
            "client_id": self.client,
            "client_secret": self.token,
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.callback,
        }
        granted = _asked(f"{self.api}/oauth2/token", data=urlencode(form).encode()).get("access_token")
        name = _asked(f"{self.api}/user", token=str(granted)).get("name") if granted else None
        if not isinstance(name, str) or not name or not name.isprintable():
            raise UsageError("the Hub does not say who this is: sign in again")
        return name


def hub_of(environ: Mapping[str, str]) -> Hub | None:
    """The Hub of a service's environment; ``None`` where it lacks what OAuth needs."""
    needed = ("JUPYTERHUB_API_URL", "JUPYTERHUB_API_TOKEN", "JUPYTERHUB_CLIENT_ID", "JUPYTERHUB_SERVICE_PREFIX")
    api, token, client, prefix = (environ.get(name, "") for name in needed)
    if not (api and token and client and prefix):
        return None
    root = environ.get("JUPYTERHUB_HOST", "") + environ.get("JUPYTERHUB_BASE_URL", "/")
    callback = environ.get("JUPYTERHUB_OAUTH_CALLBACK_URL") or f"{prefix.rstrip('/')}/oauth_callback"
    return Hub(api.rstrip("/"), f"{root.rstrip('/')}/hub/api/oauth2/authorize", client, callback, token)


def state_of(secret: str) -> str:
    """Ties the way to the Hub and back to one browser: nobody can be signed in as somebody else by a link."""
    return hmac.new(secret.encode("utf-8", "replace"), b"hub", hashlib.sha256).hexdigest()


def _asked(url: str, *, data: bytes | None = None, token: str = "") -> dict[str, Any]:
    """What the Hub answers. :raises UsageError: nothing of use."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310 - an address of our environment
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:  # noqa: S310
            found = json.loads(answer.read(_LIMIT_BYTES))
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise UsageError(f"the Hub did not answer as expected: {error}; try again") from error
    return found if isinstance(found, dict) else {}
