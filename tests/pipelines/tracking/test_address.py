"""No address that is shown holds a name, a password or a query."""

import pytest

from m2pt.config import UserError
from pipelines.tracking.address import masked, without_password
from pipelines.tracking.mlflow_store import locate, server_place


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://ann:x5Yq@mlflow.example.org/team", "https://mlflow.example.org/team"),
        ("https://ann:x5Yq%40%2F@mlflow.example.org", "https://mlflow.example.org"),
        ("https://ann:/x5/?Y#q@@mlflow.example.org:5000/team", "https://mlflow.example.org:5000/team"),
        ("https://mlflow.example.org/team?token=x5Yq", "https://mlflow.example.org/team"),
        ("https://mlflow.example.org#x5Yq", "https://mlflow.example.org"),
        ("https:/ann:x5Yq@mlflow.example.org", "https:/mlflow.example.org"),
        ("ann:x5/Yq@mlflow.example.org", "mlflow.example.org"),
        ("postgresql://ann:x5Yq@db.example.org:5432/mlflow", "postgresql://db.example.org:5432/mlflow"),
        ("postgresql:///mlflow?user=ann&password=x5Yq", "postgresql:///mlflow"),
        ("sqlite:////home/a@b/what?/mlflow.db", "sqlite:////home/a@b/what?/mlflow.db"),
        ("./a@b/mlruns", "./a@b/mlruns"),
        ("mlruns", "mlruns"),
    ],
)
def test_an_address_is_shown_without_its_secrets(address: str, shown: str) -> None:
    assert without_password(address) == shown
    said = f"POST to {address} failed: no answer from {address}/api/2.0, see file:///tmp/a@b?c"
    expected = f"POST to {shown} failed: no answer from {shown}/api/2.0, see file:///tmp/a@b?c"
    assert masked(said, address).replace("/api/2.0", "") == expected.replace("/api/2.0", "")


def test_an_address_that_a_message_holds_in_another_form_is_shown_without_its_secrets() -> None:
    said = "no answer from http://ann:x5%2FYq@127.0.0.1:5000/api?key=x5, ever"
    assert masked(said) == "no answer from http://127.0.0.1:5000/api ever"


@pytest.mark.parametrize(
    "address",
    [
        "http://ann:x5/Yq@h:5000",
        "http://ann:x5#Yq@h",
        "http://ann:x5?Yq@h",
        "http://ann:x5[Yq@h",
        "http://h:x5Yq",
        "http://a:x5/@h/y",
    ],
)
def test_an_address_that_could_be_read_otherwise_is_refused(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match="MLFLOW_TRACKING_URI: is no address of a server; write what is special") as told:
        locate()
    assert "x5" not in str(told.value)


def test_runs_on_a_server_are_shown_at_its_address(monkeypatch: pytest.MonkeyPatch) -> None:
    assert server_place() is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///elsewhere.db")
    assert server_place() is None
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://ann:x5Yq@mlflow.example.org")
    assert server_place() == "https://mlflow.example.org"
