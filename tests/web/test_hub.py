"""Signing in through a JupyterHub: a stand-in answers at the Hub's addresses."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from grader.errors import UsageError
from grader.web.hub import Hub, hub_of
from grader.web.options import LOCAL_NAMES, serve_options

ENVIRONMENT = {
    "JUPYTERHUB_API_TOKEN": "service-secret",
    "JUPYTERHUB_CLIENT_ID": "service-grader",
    "JUPYTERHUB_BASE_URL": "/jupyter/",
    "JUPYTERHUB_SERVICE_PREFIX": "/jupyter/services/grader/",
    "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:10101",
}


class StandIn(BaseHTTPRequestHandler):
    """One code, good once for our service; and the user whom its token stands for."""

    name, codes = "tanaka", ["good"]

    def do_POST(self):
        form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
        right = form["client_secret"] == ["service-secret"] and form["client_id"] == ["service-grader"]
        if self.path == "/hub/api/oauth2/token" and right and form["code"][0] in self.codes:
            self.answer(200, {"access_token": "of-tanaka", "token_type": "Bearer"})
        else:
            self.answer(400, {"error": "invalid_grant"})

    def do_GET(self):
        is_known = self.headers["authorization"] == "Bearer of-tanaka"
        self.answer(200 if is_known else 403, {"kind": "user", "name": self.name} if is_known else {})

    def answer(self, code, content):
        self.send_response(code)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, *_):
        """Says nothing."""


@pytest.fixture
def hub_url():
    with HTTPServer(("127.0.0.1", 0), StandIn) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hub/api"
        server.shutdown()


@pytest.fixture
def site(make_site, hub_url):
    return make_site(2, serve_options(environ={**ENVIRONMENT, "JUPYTERHUB_API_URL": hub_url}))


def leave(client):
    """Goes to the Hub; the state that it must bring back."""
    place = client.get("/jupyter/services/grader/hub", follow_redirects=False).headers["location"]
    address = urlsplit(place)
    assert address.path == "/jupyter/hub/api/oauth2/authorize"
    query = parse_qs(address.query)
    assert query["redirect_uri"] == ["/jupyter/services/grader/oauth_callback"]
    assert query["client_id"] == ["service-grader"]
    return query["state"][0]


def come_back(client, **query):
    return client.get("/jupyter/services/grader/oauth_callback", params=query, follow_redirects=False)


def test_whom_the_hub_names_is_signed_in(site):
    client = site.client()
    client.get("/sign-in")
    answer = come_back(client, code="good", state=leave(client))
    assert answer.status_code == 303
    assert client.get("/jupyter/services/grader/assignments").status_code == 200
    assert site.book.accounts.log(1)[0][0].who == "tanaka"


def test_the_state_of_another_browser_signs_nobody_in(site):
    one, other = site.client(), site.client()
    for client in (one, other):
        client.get("/sign-in")
    assert come_back(other, code="good", state=leave(one)).status_code == 404
    assert come_back(other, code="good").status_code == 404


def test_a_code_that_the_hub_does_not_know_signs_nobody_in(site):
    client = site.client()
    client.get("/sign-in")
    assert come_back(client, code="bad", state=leave(client)).status_code == 400
    assert site.book.accounts.log(1)[1] == 0


def test_somebody_who_has_no_account_here_is_told_so(site, monkeypatch):
    monkeypatch.setattr(StandIn, "name", "stranger")
    client = site.client()
    client.get("/sign-in")
    answer = come_back(client, code="good", state=leave(client))
    assert answer.status_code == 403
    assert "stranger" in answer.text


def test_without_a_hub_there_is_no_such_way(make_site):
    client = make_site(1).client()
    assert client.get("/hub").status_code == 404
    assert client.get("/oauth_callback?state=&code=x").status_code == 404
    assert "JupyterHub" not in client.get("/sign-in").text


def test_a_hub_that_does_not_answer_is_named():
    hub = Hub("http://127.0.0.1:1/hub/api", "/hub/api/oauth2/authorize", "service-x", "/x", "secret")
    with pytest.raises(UsageError, match="the Hub did not answer"):
        hub.name_of("code")
    assert "secret" not in repr(hub)


def test_the_hubs_public_names_are_served():
    """The Hub says them where ``c.JupyterHub.public_url`` is set."""
    public = {"JUPYTERHUB_PUBLIC_URL": "https://Hub.example.org/x/", "JUPYTERHUB_PUBLIC_HUB_URL": ""}
    assert serve_options(environ={**ENVIRONMENT, **public}).hosts[-1] == "hub.example.org"
    assert "hub.example.org" not in serve_options(environ=public).hosts
    assert serve_options(environ=ENVIRONMENT).hosts == LOCAL_NAMES


def test_an_environment_without_its_parts_is_no_hub():
    assert hub_of({}) is None
    assert hub_of(ENVIRONMENT) is None
