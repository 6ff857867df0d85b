"""``alertmanager.yml``: one receiver with every way to reach people that the settings give.

https://prometheus.io/docs/alerting/latest/configuration/. Secrets are files of the container, and written into the
native file, which only its owner may read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from hookspecs import File, Join, Project, Secret, Stack
from hookspecs.models.values import Part
from hookspecs.resolve import plain

from .receivers import mail_server, sender
from .service import FOLDER, NAME, SECRETS

#: Setting → (kind of receiver, field of the secret, field of its file, lines beside it).
_KINDS = {
    "SLACK_WEBHOOK_URL": ("slack_configs", "api_url", "api_url_file", ("send_resolved: true",)),
    "ALERT_DISCORD_WEBHOOK": ("discord_configs", "webhook_url", "webhook_url_file", ()),
    "ALERT_PAGERDUTY_KEY": ("pagerduty_configs", "routing_key", "routing_key_file", ()),
    "ALERTMANAGER_WEBHOOK_URL": ("webhook_configs", "url", "url_file", ()),
}


def files(project: Project, stack: Stack) -> Iterator[File]:
    """The configuration, where it runs."""
    if stack.find(NAME) is None:
        return
    native = project.runtime == "native"
    path = "alertmanager/alertmanager.yml" if native else f"{FOLDER}/alertmanager.yml"
    text = Join.of(*_configuration(project, stack, inline=native))
    if any(isinstance(part, Secret) for part in text.parts):
        yield File(path=path, content=text, mode=0o600)
    else:
        yield File(path=path, content="".join(str(part) for part in text.parts))


def _configuration(project: Project, stack: Stack, *, inline: bool) -> Iterator[Part]:
    wait = project.settings["ALERT_COOLDOWN"]
    yield "route:\n  receiver: people\n  group_by: [alertname, service]\n  group_wait: 30s\n"
    yield f"  group_interval: {wait}s\n  repeat_interval: 4h\nreceivers:\n- name: people\n"
    for name, (kind, field, file_field, beside) in _KINDS.items():
        if project.settings.secret(name) is not None:
            yield f"  {kind}:\n  - "
            yield from _secret(Secret(name=name, quote="json"), name, field, file_field, inline=inline)
            yield from (f"    {line}\n" for line in beside)
    yield from _mail(project, stack, inline=inline)


def _secret(secret: Secret, name: str, field: str, file_field: str, *, inline: bool) -> Iterator[Part]:
    if inline:
        yield from (f'{field}: "', secret, '"\n')
    else:
        yield f"{file_field}: {SECRETS}/{name}\n"


def _mail(project: Project, stack: Stack, *, inline: bool) -> Iterator[Part]:
    server = mail_server(project)
    if server is None:
        return
    host, port = plain(stack, NAME, server.host), plain(stack, NAME, server.port)
    if not isinstance(host, str) or not isinstance(port, str):
        return
    to = ", ".join(project.settings["ALERT_EMAIL_TO"])
    yield f"  email_configs:\n  - to: {json.dumps(to)}\n    from: {json.dumps(sender(project))}\n"
    yield f"    smarthost: {json.dumps(f'{host}:{port}')}\n    send_resolved: true\n"
    user = plain(stack, NAME, server.user)
    if not isinstance(user, str) or not user:
        yield "    require_tls: false\n"
        return
    yield f"    auth_username: {json.dumps(user)}\n"
    password = plain(stack, NAME, server.password)
    if isinstance(password, Join):
        yield "    "
        if inline:
            yield from ('auth_password: "', *password.parts, '"\n')
        else:
            yield f"auth_password_file: {SECRETS}/SMTP_PASS\n"
