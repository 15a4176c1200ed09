"""deployment/docker: what `docker compose` would make of it, as far as that can be told without an engine."""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest

from crumby.cli.answers import Answers, files
from crumby.settings import load_settings
from tests import clients
from tests.deployment.places import DEPLOYMENT
from tests.servers import require

URLS = {"": "sqlite:///~/crumby.db", ".mariadb": "mysql://localhost/x", ".postgresql": "postgresql://localhost/x"}
# Of the specification: https://github.com/compose-spec/compose-spec/blob/main/05-services.md
SERVICE = {
    "cap_drop", "command", "depends_on", "env_file", "environment", "healthcheck", "image", "mem_limit", "ports",
    "read_only", "restart", "security_opt", "stop_grace_period", "tmpfs", "volumes",
}  # fmt: skip
READ = "import json, sys, yaml; print(json.dumps(yaml.safe_load(open(sys.argv[1]))))"
HEALTH = {"test", "interval", "timeout", "retries", "start_period"}


def written(kind: str, folder: Path) -> dict[str, Any]:
    answers = Answers(database=URLS[kind], proxy="nginx", domain="stats.example.com", write=("compose",))
    for name, text in files(answers, "a secret that is long enough").items():
        (folder / name).write_text(text)
    status, said = clients.run("python", "-c", READ, "compose.yaml", folder=folder)
    assert status == 0, said
    found: dict[str, Any] = json.loads(said)
    return found


@pytest.mark.parametrize("kind", URLS)
def test_each_key_is_one_of_the_specification(kind: str, tmp_path: Path) -> None:
    """Seen to fail on `cap_drops`."""
    compose = written(kind, tmp_path)
    assert set(compose) == {"services", "volumes"}
    for service in compose["services"].values():
        assert set(service) <= SERVICE
        assert set(service["healthcheck"]) <= HEALTH
        for volume in service["volumes"]:
            assert volume.partition(":")[0] in compose["volumes"]
        for name in service.get("depends_on", ()):
            assert "healthcheck" in compose["services"][name]
        assert (tmp_path / service["env_file"]).exists()


@pytest.mark.parametrize("kind", URLS)
def test_docker_compose_takes_it(kind: str, tmp_path: Path) -> None:
    """Which needs no engine for that. Seen to fail on a volume that is not listed."""
    written(kind, tmp_path)
    words = [str(require("docker-compose")), "config", "--quiet"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("kind", URLS)
def test_crumby_takes_the_settings_of_its_environment(kind: str, tmp_path: Path) -> None:
    written(kind, tmp_path)
    said = dict(line.split("=", 1) for line in (tmp_path / "crumby.env").read_text().splitlines())
    settings = load_settings(said)
    assert (settings.proxy_count, settings.session_cookie_secure) == (1, True)
    assert (kind == "") == settings.sqlalchemy_database_uri.startswith("sqlite")


def test_what_runs_in_the_container_is_what_the_image_is_made_for(tmp_path: Path) -> None:
    """Its user's folder is the volume, and the database is in it: all else is read-only."""
    crumby = written("", tmp_path)["services"]["crumby"]
    image = (DEPLOYMENT.parent / "Dockerfile").read_text()
    assert "VOLUME /data" in image
    assert "CRUMBY_SQLALCHEMY_DATABASE_URI=sqlite:////data/crumby.db" in image
    assert crumby["volumes"] == ["crumby:/data"]
    assert f"CMD {json.dumps(crumby['command'].split())}" in image
    assert "EXPOSE 5000" in image


def test_the_image_is_built_of_all_that_the_wheel_is() -> None:
    """Seen to fail where the folder of these files is not copied: the wheel would be built without it."""
    image = (DEPLOYMENT.parent / "Dockerfile").read_text()
    ignored = (DEPLOYMENT.parent / ".dockerignore").read_text()
    project = tomllib.loads((DEPLOYMENT.parent / "pyproject.toml").read_text())
    for path in project["tool"]["hatch"]["build"]["targets"]["wheel"]["only-include"]:
        folder = path.split("/")[0]
        assert f"COPY {folder} {folder}\n" in image
        assert f"!{folder}\n" in ignored
