"""The plugins that come with nself: one command from a fresh home, each used through nginx, updated, rolled back, removed.

Seven of them need no package index, and none is asked for those. mlflow, the eighth, has a server of 600 MB from the index: where
that is out of reach, the story is of seven. But for the registry that the update comes from, no registry other than the embedded
one is asked. The tests are one story and run in order: each goes on where the one before ended.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from hookspecs.testing import Receiver
from hookspecs.trial import ADMIN_SECRET, INTERNAL_SECRET, JWT_KEY, PluginStack
from tests.conftest import ROOT
from tests.ports import free_ports
from tests.registry.operator import served

SOURCES = ROOT / "registry" / "plugins"
sys.path[:0] = [str(SOURCES / name / "tests") for name in ("stripe", "github")]
import fake_github  # noqa: E402
import fake_stripe  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SEVEN = ("notify", "cron", "jobs", "webhooks", "feature-flags", "stripe", "github")
ADA = "11111111-1111-4111-8111-111111111111"
#: No package index, and pip's own settings left aside.
OFFLINE = {"PIP_NO_INDEX": "1", "PIP_CONFIG_FILE": "/dev/null", "PIP_FIND_LINKS": ""}
#: A checkout signs them with a key of the home's own; a release with the release key, and the state is ``signed``.
STATE = "local"
#: The sites' domain. Nothing resolves it: the tests reach nginx by its address and say the site's name themselves.
DOMAIN = "local.nself.test"
TABLES = {
    "notify": "np_notify_templates",
    "cron": "np_cron_jobs",
    "jobs": "np_jobs_jobs",
    "webhooks": "np_webhooks_events",
    "feature-flags": "np_feature_flags_flags",
    "stripe": "np_stripe_customers",
    "github": "np_github_issues",
}


class Story(PluginStack):
    """The project, spoken to through nginx alone but for mail, metrics and the database."""

    def __init__(self, place: Path, receiver: Receiver, stripe: fake_stripe.FakeStripe, github: fake_github.FakeGithub) -> None:
        super().__init__(place / "project", place / "home" / ".nself", "")
        self.home, self.place = place / "home" / ".nself", place
        self.receiver, self.stripe, self.github = receiver, stripe, github
        (self.nginx,) = free_ports(1)
        self.artifact = ""
        self.plugins = (*SEVEN, "mlflow") if _can_be_had("mlflow>=3.5,<4") else SEVEN
        if self.plugins == SEVEN:
            self._environ |= OFFLINE

    def write(self) -> None:
        """The project's settings, before any plugin is there."""
        self.root.mkdir()
        settings = {
            "POSTGRES_PASSWORD": ADMIN_SECRET, "HASURA_GRAPHQL_ADMIN_SECRET": ADMIN_SECRET, "HASURA_JWT_KEY": JWT_KEY,
            "PLUGIN_INTERNAL_SECRET": INTERNAL_SECRET, "AUTH_ENABLED": "false", "MAILPIT_ENABLED": "true",
            "BASE_DOMAIN": DOMAIN, "SSL_ENABLED": "false", "NGINX_PORT": str(self.nginx),
            "HOST_PRIVATE_HOSTS": "127.0.0.1", "NSELF_HEALTH_CHECK_TIMEOUT": "600",
        }  # fmt: skip
        (self.root / ".env").write_text("ENV=dev\nPROJECT_NAME=plugin-test\n")
        (self.root / ".env.dev").write_text("".join(f"{name}='{value}'\n" for name, value in settings.items()))

    def configure(self) -> None:
        """What the plugins want to know."""
        settings = {
            "EMAIL_FROM": "team@example.com", "CRON_SECRET": "a-secret-of-this-test-alone-0123456789abcdef",
            "STRIPE_API_KEY": fake_stripe.KEY, "STRIPE_WEBHOOK_SECRET": fake_stripe.SECRET,
            "STRIPE_API_BASE": self.stripe.url, "STRIPE_SYNC_INTERVAL": "0", "GITHUB_TOKEN": fake_github.TOKEN,
            "GITHUB_WEBHOOK_SECRET": fake_github.SECRET, "GITHUB_ORG": "acme", "GITHUB_API_BASE": self.github.url,
            "GITHUB_SYNC_INTERVAL": "0", "MLFLOW_TRACKING_PASSWORD": ADMIN_SECRET,
        }  # fmt: skip
        with (self.root / ".env.dev").open("a") as file:
            file.write("".join(f"{name}='{value}'\n" for name, value in settings.items()))

    def site(self, host: str, **headers: str) -> httpx.Client:
        """A client of one of nginx's sites."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.nginx}", headers={"host": f"{host}.{DOMAIN}", **headers}, timeout=60
        )

    def api(self, plugin: str) -> httpx.Client:
        """A client of a plugin's routes with the administrator's token."""
        made = self.site("plugins", authorization=f"Bearer {self.token(ADA, 'admin')}")
        made.base_url = f"http://127.0.0.1:{self.nginx}/plugins/{plugin}/"
        return made

    def query(self, query: str) -> dict[str, Any]:
        """Ask the GraphQL API through nginx, as the administrator."""
        answer = self.site("api", **{"x-hasura-admin-secret": ADMIN_SECRET}).post("/v1/graphql", json={"query": query}).json()
        assert "errors" not in answer, answer
        data: dict[str, Any] = answer["data"]
        return data

    def states(self) -> dict[str, str]:
        """Plugin → what the Host says of it."""
        found = httpx.get(f"{self.address('host')}/healthz", timeout=30).json()["plugins"]
        return {name: one["status"] for name, one in found.items()}

    def mlflow(self, path: str, **body: Any) -> dict[str, Any]:
        """What MLflow's own API answers the administrator, through nginx."""
        client = self.site("mlflow")
        answer = client.post(f"/api/2.0/mlflow/{path}", json=body, auth=("admin", ADMIN_SECRET))
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def tables(self, plugin: str) -> set[str]:
        """The plugin's tables that the database has."""
        prefix = f"np_{plugin.replace('-', '_')}_"
        rows = self.sql("SELECT relname::text FROM pg_class WHERE relkind = 'r' AND starts_with(relname, $1)", prefix)
        return {row[0] for row in rows}


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with ExitStack() as stack:
        receiver, stripe, github = Receiver(), fake_stripe.FakeStripe(), fake_github.FakeGithub()
        for one in (receiver, stripe, github):
            stack.callback(one.close)
        made = Story(tmp_path_factory.mktemp("eight"), receiver, stripe, github)
        made.write()
        yield made
        made.cli("destroy", "--yes", check=False)


def test_seven_need_no_network(tmp_path: Path, story: Story) -> None:
    """What they require beside nself is there already."""
    offline = PluginStack(tmp_path / "project", tmp_path / "home" / ".nself", "")
    offline.root.mkdir()
    (offline.root / ".env").write_text("ENV=dev\nPROJECT_NAME=offline\n")
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    offline._environ |= {**nowhere, **OFFLINE}
    offline.cli("plugin", "install", *SEVEN, "--yes")
    found = {one["name"]: one for one in offline.json("plugin", "list")}
    assert {found[name]["state"] for name in SEVEN} == {STATE}
    assert all(found[name]["enabled"] for name in SEVEN)


def test_one_command_installs_them_and_they_start(story: Story) -> None:
    story.cli("plugin", "install", *story.plugins, "--yes", timeout=1200)
    story.configure()
    story.spread_ports()
    story.cli("build")
    story.cli("start", "--runtime", "native", timeout=700)
    assert story.states() == dict.fromkeys(SEVEN, "serving")
    entries = {one["name"]: one for one in story.json("plugin", "list")}
    assert {entries[name]["state"] for name in story.plugins} == {STATE}
    assert _versions(story) == dict.fromkeys(story.plugins, "1.0.0")
    health = {one["name"]: one["health"] for one in story.json("status")["services"]}
    assert {name: health[name] for name in ("nginx", "hasura", "host")} == dict.fromkeys(("nginx", "hasura", "host"), "healthy")
    assert story.site("plugins").get("/plugins/notify/notifications").status_code == 401, "nobody comes in without a token"
    assert story.site("api").post("/v1/graphql", json={"query": "{ np_notify_templates { name } }"}).json().get("errors")


def test_notify(story: Story) -> None:
    api = story.api("notify")
    assert api.put("templates/hello", json={"subject": "Hello {{ name }}", "text": "Dear {{ name }}"}).status_code == 200
    sent = api.post(
        "notifications", json={"to": {"email": "bob@example.com"}, "template": "hello", "data": {"name": "Bob"}}
    ).json()
    story.until(lambda: api.get(f"notifications/{sent['id']}").json()["status"] == "sent", 60)
    mails = httpx.get(f"{story.address('mailpit')}/api/v1/messages", timeout=30).json()["messages"]
    assert [mail["Subject"] for mail in mails] == ["Hello Bob"]
    assert story.query("{ np_notify_notifications { subject status } }") == {
        "np_notify_notifications": [{"subject": "Hello Bob", "status": "sent"}]
    }
    assert 'notify_deliveries_total{channel="email",outcome="sent",plugin="notify"} 1.0' in story.metrics()
    assert "Hello Bob" in story.cli("notify", "show", sent["id"]).stdout


def test_cron(story: Story) -> None:
    api = story.api("cron")
    job = {"schedule": "0 0 1 1 *", "url": f"{story.receiver.url}/cron", "body": '{"n": 1}'}
    assert api.put("jobs/nightly", json=job).status_code == 200
    run = api.post("jobs/nightly/runs").json()["id"]
    story.until(lambda: api.get(f"runs/{run}").json()["status"] == "succeeded", 60)
    assert [one.json() for one in story.receiver.got if one.path == "/cron"] == [{"n": 1}]
    assert story.query("{ np_cron_runs { status } }") == {"np_cron_runs": [{"status": "succeeded"}]}
    assert 'cron_runs_total{plugin="cron",status="succeeded"} 1.0' in story.metrics()


def test_jobs(story: Story) -> None:
    api = story.api("jobs")
    job = api.post("queues/mails/jobs", json={"payload": {"n": 1}}).json()
    (held,) = api.post("queues/mails/lease", json={}).json()
    assert (held["id"], held["payload"]) == (job["id"], {"n": 1})
    assert api.post(f"jobs/{job['id']}/done", json={"lease": held["lease"]}).json()["state"] == "done"
    assert story.query("{ np_jobs_jobs { queue state } }") == {"np_jobs_jobs": [{"queue": "mails", "state": "done"}]}
    assert story.json("jobs", "list")[0]["state"] == "done"
    api.post("queues/waiting/jobs", json={"payload": {}})
    depth = 'jobs_depth{account="primary",plugin="jobs",queue="waiting",state="waiting"} 1.0'
    story.until(lambda: depth in story.metrics(), 90)  # its own scheduled job counts once a minute


def test_webhooks(story: Story) -> None:
    api = story.api("webhooks")
    made = api.post("endpoints", json={"url": f"{story.receiver.url}/out", "events": ["invoice.*"]}).json()
    sent = api.post("events", json={"type": "invoice.paid", "data": {"n": 1}}).json()
    (request,) = story.until(lambda: [one for one in story.receiver.got if one.path == "/out"], 60)
    assert Webhook(made["secret"]).verify(request.body, dict(request.headers))["data"] == {"n": 1}
    assert story.query("{ np_webhooks_events { id type } }") == {
        "np_webhooks_events": [{"id": sent["id"], "type": "invoice.paid"}]
    }
    story.until(lambda: 'webhooks_attempts_total{outcome="delivered",plugin="webhooks"} 1.0' in story.metrics())


def test_feature_flags(story: Story) -> None:
    api = story.api("feature-flags")
    assert api.put("flags/checkout", json={"enabled": True, "public": True}).status_code == 200
    browser = story.site("plugins")
    path = "/plugins/feature-flags/ofrep/v1/evaluate/flags/checkout"
    story.until(lambda: browser.post(path, json={"context": {}}).json().get("value") is True)
    assert story.query("{ np_feature_flags_flags { key enabled } }") == {
        "np_feature_flags_flags": [{"key": "checkout", "enabled": True}]
    }
    assert "checkout" in story.cli("feature-flags", "list").stdout
    assert re.search(r'^flags_evaluations_total{flag="checkout",plugin="feature-flags",variant="on"} ', story.metrics(), re.M)


def test_stripe(story: Story) -> None:
    story.stripe.add("customers", fake_stripe.customer(2), fake_stripe.customer(1))
    story.cli("stripe", "sync", "customers")
    emails = "{ np_stripe_customers(order_by: {id: asc}) { email } }"
    story.until(lambda: len(story.query(emails)["np_stripe_customers"]) == 2, 60)
    body = fake_stripe.event("customer.updated", fake_stripe.customer(1, email="new@example.com"))
    hook = story.site("plugins", **{"content-type": "application/json"})
    assert hook.post("/webhooks/stripe", content=body, headers=fake_stripe.signed(body, secret="whsec_wrong")).status_code == 401
    assert hook.post("/webhooks/stripe", content=body, headers=fake_stripe.signed(body)).status_code == 200
    story.until(lambda: {"email": "new@example.com"} in story.query(emails)["np_stripe_customers"], 60)
    assert {one["resource"] for one in story.api("stripe").get("syncs").json()} >= {"customers"}
    story.until(lambda: re.search(r'^nself_jobs_ended_total{.*outcome="done",plugin="stripe"} ', story.metrics(), re.MULTILINE))


def test_github(story: Story) -> None:
    where = {"repository": fake_github.repository(10, "site"), "sender": fake_github.USER}
    body = json.dumps({"action": "opened", "issue": fake_github.issue(5, title="Broken"), **where}).encode()
    hook = story.site("plugins", **{"content-type": "application/json"})
    forged = fake_github.signed(body, "issues", "d-1", secret="of somebody else")
    assert hook.post("/webhooks/github", content=body, headers=forged).status_code == 401
    assert hook.post("/webhooks/github", content=body, headers=fake_github.signed(body, "issues", "d-1")).status_code == 200
    issues = "{ np_github_issues { number title } }"
    story.until(lambda: story.query(issues) == {"np_github_issues": [{"number": 5, "title": "Broken"}]}, 60)
    assert story.api("github").get("syncs").status_code == 200
    assert story.json("webhook", "list", "--plugin", "github")[0]["id"] == "d-1"
    assert 'nself_webhooks_total{plugin="github",source="github",status="401"} 1.0' in story.metrics()


def test_mlflow(story: Story) -> None:
    if "mlflow" not in story.plugins:
        pytest.skip("mlflow cannot be had: the package index does not answer")
    for login in (None, ("admin", "password1234"), ("nobody", ADMIN_SECRET)):
        asked = story.site("mlflow").post("/api/2.0/mlflow/experiments/search", json={"max_results": 1}, auth=login)
        assert asked.status_code == 401, login
    made = story.mlflow("experiments/create", name="churn")["experiment_id"]
    run = story.mlflow("runs/create", experiment_id=made, start_time=1_700_000_000_000)["run"]["info"]
    story.mlflow("runs/log-metric", run_id=run["run_id"], key="auc", value=0.75, timestamp=1_700_000_000_000)
    story.artifact = f"/api/2.0/mlflow-artifacts/artifacts/{made}/{run['run_id']}/artifacts/model.bin"
    assert story.site("mlflow").put(story.artifact, content=b"weights", auth=("admin", ADMIN_SECRET)).status_code == 200
    assert "churn" in {one["name"] for one in story.json("mlflow", "experiments")}
    assert story.cli("mlflow", "runs", "churn").returncode == 0
    missing = story.cli("mlflow", "runs", "no-such", check=False)
    assert (missing.returncode, "there is no experiment 'no-such'" in missing.stderr) == (1, True)
    dockerfile = (story.root / "mlflow" / "Dockerfile").read_text()
    assert "FROM ghcr.io/mlflow/mlflow:v3.18.0" in dockerfile
    assert "psycopg2-binary" in dockerfile


def _mlflow_has_what_it_was_given(story: Story) -> None:
    (churn,) = [one for one in story.mlflow("experiments/search", max_results=10)["experiments"] if one["name"] == "churn"]
    (run,) = story.mlflow("runs/search", experiment_ids=[churn["experiment_id"]])["runs"]
    assert run["data"]["metrics"][0]["value"] == 0.75
    assert story.site("mlflow").get(story.artifact, auth=("admin", ADMIN_SECRET)).content == b"weights"


def test_updated_from_another_registry_rolled_back_and_what_was_kept_is_there(story: Story) -> None:
    """A newer version of all of them, published to a registry of the test's by the same publisher."""
    folder, public = story.place / "registry", story.place / "public"
    story.cli("registry", "init", "--name", "acme", "--dir", str(folder), "--keys", str(story.place / "keys"))
    newer = [_newer(name, story.place / "sources") for name in story.plugins]
    story.cli("registry", "add", *map(str, newer), "--dir", str(folder))
    story.cli("registry", "publish", str(public), "--dir", str(folder), "--keys", str(story.place / "keys"))
    before = {name: story.sql(f'SELECT count(*) FROM "{TABLES[name]}"')[0][0] for name in SEVEN}
    with served(public) as url:
        story.cli("registry", "connect", "acme", url, "--root", str(public / "root.json"))
        assert {one["name"] for one in story.json("plugin", "outdated")} == set(story.plugins)
        story.cli("plugin", "update", "--yes", timeout=1200)
    assert _versions(story) == dict.fromkeys(story.plugins, "1.1.0")
    story.cli("build")
    story.cli("start", timeout=700)
    assert story.states() == dict.fromkeys(SEVEN, "serving")
    versions = {name: one["version"] for name, one in httpx.get(f"{story.address('host')}/healthz").json()["plugins"].items()}
    assert versions == dict.fromkeys(SEVEN, "1.1.0")
    assert story.sql("SELECT colour FROM np_notify_templates") == [("none",)], "its second migration was applied"

    for name in story.plugins:
        story.cli("plugin", "rollback", name, "--yes")
    assert _versions(story) == dict.fromkeys(story.plugins, "1.0.0")
    story.cli("build")
    story.cli("start", timeout=700)
    assert story.states() == dict.fromkeys(SEVEN, "serving")
    assert {name: story.sql(f'SELECT count(*) FROM "{TABLES[name]}"')[0][0] for name in SEVEN} == before
    assert story.api("notify").get("templates").json()[0]["name"] == "hello"
    if "mlflow" in story.plugins:
        _mlflow_has_what_it_was_given(story)


def test_uninstalled_with_their_data_and_without(story: Story) -> None:
    dropped = ("cron", "webhooks", "feature-flags", "stripe")
    for name in story.plugins:
        data = "--drop-data" if name in dropped else "--keep-data"
        story.cli("plugin", "uninstall", name, data, "--yes")
    assert [one["name"] for one in story.json("plugin", "list") if one["source"] == "store"] == []
    for name in SEVEN:
        assert bool(story.tables(name)) == (name not in dropped), name
    roles = {row[0] for row in story.sql("SELECT rolname::text FROM pg_roles WHERE starts_with(rolname, 'np_')")}
    assert not {role for role in roles for name in dropped if role.startswith(f"np_{name.replace('-', '_')}")}, roles
    story.cli("build")
    story.cli("start", timeout=700)
    assert "host" not in {one["name"] for one in story.json("status")["services"] if one["health"] == "healthy"}
    assert story.site("plugins").get("/plugins/notify/notifications").status_code in {404, 444, 502, 503}
    if "mlflow" in story.plugins:
        assert story.sql("SELECT 1 FROM pg_database WHERE datname = 'np_mlflow'") == [(1,)], "its data was to be kept"


def _versions(story: Story) -> dict[str, str]:
    return {one["name"]: one["version"] for one in story.json("plugin", "list") if one["name"] in story.plugins}


def _can_be_had(requirement: str) -> bool:
    """Whether the package index has it."""
    asked = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--ignore-installed", "-q", requirement]
    return subprocess.run(asked, capture_output=True, check=False).returncode == 0


def _newer(name: str, into: Path) -> Path:
    """The source of a plugin as version 1.1.0; notify's has one migration more."""
    folder = into / name
    shutil.copytree(SOURCES / name, folder, ignore=shutil.ignore_patterns("__pycache__", "tests"))
    (package,) = folder.glob("nself_plugin_*")
    for file in (package / "plugin.json", folder / "pyproject.toml"):
        text = file.read_text()
        assert "1.0.0" in text
        file.write_text(text.replace("1.0.0", "1.1.0", 1))
    if name == "notify":
        column = "ALTER TABLE np_notify_templates ADD COLUMN colour text NOT NULL DEFAULT 'none';\n"
        (package / "schema" / "002_colour.sql").write_text(column)
        (package / "schema" / "002_colour.down.sql").write_text("ALTER TABLE np_notify_templates DROP COLUMN colour;\n")
    return folder
