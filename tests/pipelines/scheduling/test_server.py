"""Who may use the Prefect server that the commands start, and which server a command uses. All through real requests."""

import base64
import json
import os
import stat
import urllib.error
import urllib.request
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.states import Completed

from m2pt.config import UserError
from pipelines.scheduling import credentials, server
from pipelines.scheduling.notice import tell_end
from pipelines.scheduling.server import listen
from tests.answering import answering
from tests.pipelines.scheduling.conftest import Prefect, prefect_server


def asked(address: str, auth: str = "", method: str = "GET", **headers: str) -> tuple[int, dict[str, str]]:
    """The status and the headers of an answer."""
    request = urllib.request.Request(address, method=method, headers=headers, data=b"{}" if method == "POST" else None)
    if auth:
        request.add_header("Authorization", f"Basic {base64.b64encode(auth.encode()).decode()}")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}


@pytest.fixture
def client_of(prefect: Prefect, monkeypatch: pytest.MonkeyPatch) -> Prefect:
    """The variables of a command that uses the server."""
    monkeypatch.setenv("PREFECT_HOME", str(prefect.home))
    monkeypatch.setenv("PREFECT_API_URL", prefect.api_url)
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", prefect.auth)
    return prefect


def test_it_takes_no_request_without_the_projects_password(prefect: Prefect):
    version = f"{prefect.api_url}/admin/version"
    assert asked(version)[0] == 401
    assert asked(version, "m2pt:guessed")[0] == 401
    assert asked(version, prefect.auth)[0] == 200
    with prefect.client() as client:
        assert client.read_flows() is not None


def test_only_the_user_reads_the_password(prefect: Prefect):
    path = prefect.home / "password"
    assert path.read_text() == prefect.auth
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(prefect.auth) > 30
    assert prefect.auth not in (prefect.home.parent / "server.log").read_text()


def test_a_page_of_another_origin_gets_nothing(prefect: Prefect):
    version = f"{prefect.api_url}/admin/version"
    assert "access-control-allow-origin" not in asked(version, prefect.auth, Origin="https://elsewhere.example")[1]
    assert "access-control-allow-origin" not in asked(version, prefect.auth, Origin="http://127.0.0.1:1")[1]
    own = prefect.page
    assert asked(version, prefect.auth, Origin=own)[1]["access-control-allow-origin"] == own
    # What changes something also needs a token that only a page of the server's own origin can read.
    assert asked(f"{prefect.api_url}/flows/count", prefect.auth, "POST")[0] == 403


def test_a_page_without_credentials_changes_nothing(prefect: Prefect):
    """What a browser sends by itself, without asking first, and the question that it asks before anything else."""
    create = f"{prefect.api_url}/flows/"
    for origin in ("https://elsewhere.example", "http://127.0.0.1:1", "null"):
        assert asked(create, "", "POST", Origin=origin, **{"Content-Type": "text/plain"})[0] in (401, 403)
        wish = {"Access-Control-Request-Method": "DELETE", "Access-Control-Request-Headers": "authorization,prefect-csrf-token"}
        status, headers = asked(create, "", "OPTIONS", Origin=origin, **wish)
        assert status >= 400
        assert "access-control-allow-origin" not in headers
    with prefect.client() as client:
        before = len(client.read_flows())
    assert asked(create, "m2pt:guessed", "POST", Origin=prefect.page)[0] in (401, 403)
    with prefect.client() as client:
        assert len(client.read_flows()) == before


def test_what_a_page_of_another_origin_loads_is_refused(prefect: Prefect):
    """Pictures, scripts and frames come without `Origin`; the pages' own name may be the other one of this machine."""
    version = f"{prefect.api_url}/admin/version"
    for site in ("cross-site", "same-site"):
        for kind in ("image", "script", "iframe", "empty"):
            told = {
                "Sec-Fetch-Site": site,
                "Sec-Fetch-Mode": "navigate" if kind == "iframe" else "no-cors",
                "Sec-Fetch-Dest": kind,
            }
            assert asked(f"{prefect.page}/", **told)[0] == asked(version, prefect.auth, **told)[0] == 403
        link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        assert asked(f"{prefect.page}/", **link)[0] == 200
    by_name = prefect.page.replace("127.0.0.1", "localhost")
    assert asked(version, prefect.auth, Origin=by_name, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"})[0] == 200
    assert asked(version, prefect.auth, **{"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors"})[0] == 200
    assert asked(f"{prefect.page}/", Origin="http://127.0.0.1:1")[0] == 403
    assert asked(f"{prefect.page}/")[1]["cross-origin-resource-policy"] == "same-origin"


def test_a_name_that_was_made_to_point_here_is_refused(prefect: Prefect):
    for path in ("/", "/api/health", "/api/admin/version"):
        assert asked(prefect.page + path, prefect.auth, Host="elsewhere.example")[0] == 400
        assert asked(prefect.page + path, prefect.auth, Host="localhost:4200")[0] == 200


def test_another_projects_server_is_never_used(client_of: Prefect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    credentials.require_own(client_of.api_url)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / ".prefect"))
    with server.used(tmp_path / "log") as used, pytest.raises(UserError, match="is another project's") as refused:
        used.ready()
    assert str(client_of.home) in str(refused.value)
    assert "unset PREFECT_API_URL" in str(refused.value)
    monkeypatch.setenv("M2PT_SHARED_PREFECT", "1")
    with server.used(tmp_path / "log") as used:
        assert used.ready() == client_of.api_url
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "m2pt:of-another-project")
    with pytest.raises(UserError, match="refuses this project's credentials"):
        credentials.require_own(client_of.api_url)


@pytest.mark.parametrize("place", ["ours", "nobody's", "without a scheme"])
def test_a_password_in_the_address_is_refused_and_not_shown(
    client_of: Prefect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
):
    """Also not where a notice names the page of a flow run, which a worker with such an address has started."""
    plain = {"ours": client_of.api_url, "nobody's": "http://127.0.0.1:9/api", "without a scheme": "127.0.0.1:4711/api"}[place]
    scheme, separator, rest = plain.rpartition("://")
    monkeypatch.setenv("PREFECT_API_URL", f"{scheme}{separator}m2pt:SECRET@{rest}")
    with server.used(tmp_path / "log") as used, pytest.raises(UserError) as refused:
        used.ready()
    assert str(refused.value).startswith(f"PREFECT_API_URL: holds a name or a password; set it to {plain} alone, and ")
    assert "SECRET" not in str(refused.value)
    monkeypatch.setenv("M2PT_NOTIFY_COMMAND", f"tee '{tmp_path}/notice'")
    faults: list[str] = []
    tell_end("tiny", Completed(message="done"), None, faults.append, uuid4())
    assert not faults
    assert json.loads((tmp_path / "notice").read_text())["page"].startswith(plain.removesuffix("/api"))
    assert "SECRET" not in (tmp_path / "notice").read_text()


def test_a_server_that_does_not_answer_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    with (
        server.used(tmp_path / "log") as used,
        pytest.raises(UserError, match=r"no Prefect server answers at http://127\.0\.0\.1:9"),
    ):
        used.ready()


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_prefect_server_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: bytes):
    """Also to who would share one on purpose."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    monkeypatch.setenv("M2PT_SHARED_PREFECT", "1")
    with answering(answer) as address, pytest.raises(UserError, match=f"no Prefect server answers at {address}/api; start it"):
        credentials.require_own(f"{address}/api")


@pytest.mark.timeout(600)
@pytest.mark.patient
def test_a_neighbour_on_the_port_is_left_alone(prefect: Prefect, tmp_path: Path):
    port = int(prefect.page.rpartition(":")[2])
    with prefect_server(tmp_path, port) as ours:
        assert ours.api_url != prefect.api_url
        assert ours.auth != prefect.auth
        with ours.client() as client:
            client.create_flow_from_name("only-here")
        with prefect.client() as client:
            assert "only-here" not in [flow.name for flow in client.read_flows()]


def test_the_file_for_a_shell_leads_to_the_server(client_of: Prefect):
    path = credentials.write_environment(client_of.api_url)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    script = f'. "{path}"; printf "%s\\n" "$PREFECT_API_URL" "$PREFECT_API_AUTH_STRING" "$PREFECT_HOME"'
    said = os.popen(f"env -i sh -c '{script}'").read().splitlines()
    assert said == [client_of.api_url, client_of.auth, str(client_of.home)]


def test_an_emptied_password_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    (tmp_path / "password").write_text("")
    with pytest.raises(UserError, match="holds no NAME:PASSWORD; delete it"):
        credentials.auth_string()


@pytest.mark.parametrize("port", [-1, 65536, 10**9])
def test_a_number_that_is_no_port_is_said(port: int):
    with pytest.raises(UserError, match=f"--port: {port} is no port"):
        listen(port)
