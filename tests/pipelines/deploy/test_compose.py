"""The compose file says what the servers of a team need, in the versions of the lock."""

import re
import tomllib
from configparser import ConfigParser
from pathlib import Path

import yaml

from tests.pipelines.deploy.servers import DEPLOY, SETTINGS, compose, interpolated

ROOT = DEPLOY.parent
SERVICES = ("postgres", "mlflow", "prefect")


def locked(package: str) -> str:
    """The version of a package in the lock."""
    (version,) = re.findall(rf"^{package}==(.+)$", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE)
    return str(version)


def test_the_images_are_those_of_the_lock() -> None:
    images = {name: compose()["services"][name]["image"] for name in SERVICES}
    assert images["mlflow"] == f"ghcr.io/mlflow/mlflow:v{locked('mlflow')}-full"
    assert images["prefect"].startswith(f"prefecthq/prefect:{locked('prefect')}-python3.")
    assert re.fullmatch(r"postgres:\d+\.\d+", images["postgres"]), "a database is moved to another version by hand"


def test_the_extra_of_the_server_is_of_the_same_version() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert f"mlflow[auth]=={locked('mlflow')}" in extras["server"]
    assert f"psycopg2-binary=={locked('psycopg2-binary')}" in extras["server"]


def test_every_setting_is_in_the_example() -> None:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    used, needed = set(re.findall(r"\$\{(\w+)", text)), set(re.findall(r"\$\{(\w+):\?", text))
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    assert set(re.findall(r"^(?:# )?([A-Z_]+)=", example, re.MULTILINE)) == used
    assert set(re.findall(r"^([A-Z_]+)=", example, re.MULTILINE)) == needed == SETTINGS.keys()
    assert re.findall(r"^([A-Z_]+)=.+$", example, re.MULTILINE) == [], "no password is one that everybody knows"
    assert "/deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


def test_this_machine_alone_is_answered_unless_one_says_otherwise() -> None:
    published = {name: compose()["services"][name].get("ports", []) for name in SERVICES}
    assert {name: [interpolated(port, {}) for port in ports] for name, ports in published.items()} == {
        "postgres": [],
        "mlflow": ["127.0.0.1:5000:5000"],
        "prefect": ["127.0.0.1:4200:4200"],
    }
    assert compose()["services"]["postgres"]["networks"] == ["inside"] and compose()["networks"]["inside"] == {"internal": True}


def test_no_secret_stands_in_an_address_or_an_argument() -> None:
    """Addresses are shown in logs, arguments to every user of the machine."""
    for name in SERVICES:
        service = compose()["services"][name]
        secret = [value for key, value in service["environment"].items() if "${" in value and ":?" in value]
        assert secret and all(re.fullmatch(r"\$\{\w+:\?[\w .]+\}", value) for value in secret), name
        assert "${" not in service["command"]
    files = ConfigParser()
    files.read(DEPLOY / "auth.ini")
    assert files["mlflow"]["database_uri"] == "postgresql+psycopg2:///mlflow_auth"


def test_the_connections_that_the_servers_may_open_are_fewer_than_the_database_has() -> None:
    services = compose()["services"]
    limit = int(services["postgres"]["command"].rpartition("max_connections=")[2])
    mlflow, prefect = services["mlflow"]["environment"], services["prefect"]["environment"]
    pool = int(mlflow["MLFLOW_SQLALCHEMYSTORE_POOL_SIZE"]) + int(mlflow["MLFLOW_SQLALCHEMYSTORE_MAX_OVERFLOW"])
    workers = int(services["mlflow"]["command"].split("--workers ")[1].split()[0])
    of_prefect = (int(prefect[f"PREFECT_SERVER_DATABASE_SQLALCHEMY_{part}"]) for part in ("POOL_SIZE", "MAX_OVERFLOW"))
    superusers = 3  # PostgreSQL keeps them back
    assert (3 * workers + 2) * pool + sum(of_prefect) + 2 <= limit - superusers


def test_what_is_mounted_is_there() -> None:
    for service in compose()["services"].values():
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (DEPLOY / source).is_file() if source.startswith(".") else source in compose()["volumes"]
    assert yaml.safe_load(Path(DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["name"] == "m2pt"
