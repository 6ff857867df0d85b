"""``nself mlflow``: the tracking server's address, experiments and runs, by its own REST API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from hookspecs.errors import UserError
from hookspecs.terminal import env_option, json_option, print_json, print_table, say

if TYPE_CHECKING:
    import httpx

    from hookspecs import CommandContext


@click.group(short_help="The MLflow tracking server: address, experiments, runs.")
def mlflow() -> None:
    """The MLflow tracking server. The stack must run.

    \b
    Examples:
      nself mlflow url
      nself mlflow experiments
    """


@mlflow.command()
@click.option("--public", is_flag=True, help="The address for browsers, in place of the one on this machine.")
@env_option
@click.pass_obj
def url(context: CommandContext, public: bool, env: str | None) -> None:
    """Print the address, as MLFLOW_TRACKING_URI takes it.

    \b
    Examples:
      export MLFLOW_TRACKING_URI=$(nself mlflow url)
    """
    say(context.public_url("mlflow", env) if public else f"http://{context.address('mlflow', env=env)}")


@mlflow.command()
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@env_option
@json_option
@click.pass_obj
def experiments(context: CommandContext, limit: int, env: str | None, as_json: bool) -> None:
    """List experiments.

    \b
    Examples:
      nself mlflow experiments --json
    """
    with _client(context, env) as client:
        found = _post(client, "experiments/search", {"max_results": limit}).get("experiments", [])
    if as_json:
        print_json(found)
        return
    print_table(
        ("id", "name", "state", "created"),
        [(e["experiment_id"], e["name"], e["lifecycle_stage"], _time(e.get("creation_time"))) for e in found],
    )


@mlflow.command()
@click.argument("experiment")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="At most so many.")
@env_option
@json_option
@click.pass_obj
def runs(context: CommandContext, experiment: str, limit: int, env: str | None, as_json: bool) -> None:
    """List the runs of an experiment, named by its name or id, newest first.

    \b
    Examples:
      nself mlflow runs churn
    """
    with _client(context, env) as client:
        known = _post(client, "experiments/search", {"max_results": 1000}).get("experiments", [])
        ids = [e["experiment_id"] for e in known if experiment in {e["name"], e["experiment_id"]}]
        if not ids:
            raise UserError(f"there is no experiment {experiment!r}", remedy="nself mlflow experiments", code="mlflow-experiment")
        found = _post(client, "runs/search", {"experiment_ids": ids, "max_results": limit}).get("runs", [])
    if as_json:
        print_json(found)
        return
    print_table(
        ("run", "name", "status", "started", "metrics"),
        [
            (
                r["info"]["run_id"][:12],
                r["info"].get("run_name", ""),
                r["info"]["status"],
                _time(r["info"].get("start_time")),
                ", ".join(f"{m['key']}={m['value']:g}" for m in r["data"].get("metrics", [])[:5]),
            )
            for r in found
        ],
    )


@contextmanager
def _client(context: CommandContext, env: str | None) -> Iterator[httpx.Client]:
    import httpx

    project = context.project(env)
    login = None
    if project.settings["MLFLOW_AUTH_ENABLED"]:
        password = context.secret("MLFLOW_TRACKING_PASSWORD", env)
        login = (str(project.settings["MLFLOW_TRACKING_USERNAME"]), password)
    with httpx.Client(base_url=f"http://{context.address('mlflow', env=env)}/api/2.0/mlflow/", auth=login, timeout=60) as client:
        yield client


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    import httpx

    try:
        answer = client.post(path, json=body)
    except httpx.HTTPError as error:
        raise UserError(f"MLflow does not answer: {error}", remedy="nself start, then nself health", code="mlflow-down") from None
    if answer.status_code == 401:
        raise UserError(
            "MLflow does not accept the administrator's password",
            remedy="it was changed in MLflow: nself config set MLFLOW_TRACKING_PASSWORD to that one",
            code="mlflow-login",
        )
    if not answer.is_success:
        raise UserError(f"MLflow answered {answer.status_code}: {answer.text[:200]}", code="mlflow-refused")
    found: dict[str, Any] = answer.json()
    return found


def _time(milliseconds: int | None) -> str:
    return "-" if not milliseconds else datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
