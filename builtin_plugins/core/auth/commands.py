"""``nself auth``: the server alone, and what an operator does to users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from hookspecs.terminal import (
    env_option,
    json_option,
    password,
    password_option,
    print_json,
    print_table,
    read_text,
    require_yes,
    yes_option,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hookspecs import CommandContext


@click.group(short_help="Users of the project, and the auth server alone.")
def auth() -> None:
    """Users of the project, and the auth server alone.

    \b
    Examples:
      nself auth users list
      nself auth serve
    """


@auth.command()
@click.pass_context
def serve(ctx: click.Context) -> None:
    """Run the auth server in the foreground, configured by HASURA_GRAPHQL_*, POSTGRES_* and AUTH_* variables alone.

    No project is needed. It stops on a signal.

    \b
    Examples:
      HASURA_GRAPHQL_DATABASE_URL=… HASURA_GRAPHQL_JWT_SECRET=… nself auth serve
    """
    from .operator import require_server

    require_server()
    from .server.__main__ import main

    ctx.exit(main())


@auth.group(short_help="List, make, change and move users.")
def users() -> None:
    """List, make, change and move users. WHO is an id, an e-mail address or a phone number; the database must run.

    \b
    Examples:
      nself auth users list --role editor
      nself auth users create ada@example.com --role editor
    """


@users.command("list")
@click.option("--search", metavar="TEXT", default="", help="Only those with this in address, name or phone number.")
@click.option("--role", default="", help="Only those with this role.")
@click.option("--limit", type=click.IntRange(1, 1_000_000), default=100, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(0, 1_000_000_000), default=0, help="Leave out so many first.")
@env_option
@json_option
@click.pass_obj
def list_(context: CommandContext, search: str, role: str, limit: int, offset: int, env: str | None, as_json: bool) -> None:
    """List users, newest first.

    \b
    Examples:
      nself auth users list --search @example.com --json
    """
    from .operator import Operator

    found = Operator.of(context, env).list(search=search, role=role, limit=limit, offset=offset)
    if as_json:
        print_json([user.model_dump(mode="json") for user in found])
        return
    rows = [
        (u.id, u.email or u.phone_number or "-", ",".join(u.roles), u.default_role, u.state, u.created_at.date()) for u in found
    ]
    print_table(("id", "user", "roles", "default", "state", "since"), rows)
    if len(found) == limit:
        click.echo(f"perhaps more: --offset {offset + limit}", err=True)


@users.command()
@click.argument("email")
@click.option("--role", "roles", multiple=True, help="A role it may take; may be repeated. By default those of a sign-up.")
@click.option("--default-role", metavar="ROLE", help="The role it has unless it asks for another.")
@click.option("--name", default="", help="Name to show.")
@click.option("--unverified", is_flag=True, help="The address is still to be verified.")
@click.option("--no-password", is_flag=True, help="Without a password: only links, codes and providers sign it in.")
@password_option
@env_option
@json_option
@click.pass_obj
def create(
    context: CommandContext,
    email: str,
    roles: tuple[str, ...],
    default_role: str | None,
    name: str,
    unverified: bool,
    no_password: bool,
    password_stdin: bool,
    env: str | None,
    as_json: bool,
) -> None:
    """Make a user. The password is asked for, or read from standard input.

    \b
    Examples:
      nself auth users create ada@example.com --role editor --role user
      pwgen 20 1 | nself auth users create ada@example.com --password-stdin
    """
    from .operator import Operator

    if no_password and password_stdin:
        raise click.UsageError("--no-password and --password-stdin exclude each other")
    operator = Operator.of(context, env)
    minimum, known = operator.settings.password_min_length, operator.roles()
    secret = None if no_password else password(from_stdin=password_stdin, minimum=minimum)
    made = operator.create(email, password=secret, roles=roles, default_role=default_role, name=name, verified=not unverified)
    _tell(made, "made", as_json)
    _tell_new(made.roles, known)


@users.command()
@click.argument("who")
@click.option("--undo", is_flag=True, help="Let the user sign in again.")
@env_option
@json_option
@click.pass_obj
def disable(context: CommandContext, who: str, undo: bool, env: str | None, as_json: bool) -> None:
    """Keep a user from signing in, and end its sessions and tokens; or let it in again.

    \b
    Examples:
      nself auth users disable ada@example.com
      nself auth users disable ada@example.com --undo
    """
    from .operator import Operator

    _tell(Operator.of(context, env).disable(who, disabled=not undo), "enabled" if undo else "disabled", as_json)


@users.command()
@click.argument("who")
@yes_option
@env_option
@json_option
@click.pass_obj
def delete(context: CommandContext, who: str, yes: bool, env: str | None, as_json: bool) -> None:
    """Delete a user with its sessions, keys and linked providers. Rows of other schemas that refer to it may forbid it.

    \b
    Examples:
      nself auth users delete ada@example.com
    """
    from .operator import Operator

    operator = Operator.of(context, env)
    user = operator.find(who)
    require_yes(f"Delete {user.email or user.id}? This cannot be taken back.", yes=yes)
    _tell(operator.delete(str(user.id)), "deleted", as_json)


@users.command("set-roles")
@click.argument("who")
@click.argument("roles", nargs=-1, required=True)
@click.option("--default-role", metavar="ROLE", help="The role it has unless it asks for another.")
@env_option
@json_option
@click.pass_obj
def set_roles(
    context: CommandContext, who: str, roles: tuple[str, ...], default_role: str | None, env: str | None, as_json: bool
) -> None:
    """Give a user these roles and no others; they take effect with its next access token.

    \b
    Examples:
      nself auth users set-roles ada@example.com user editor --default-role editor
    """
    from .operator import Operator

    operator = Operator.of(context, env)
    known = operator.roles()
    user = operator.set_roles(who, roles, default_role=default_role)
    _tell(user, f"may be {', '.join(user.roles)}, and is {user.default_role} unless it asks", as_json)
    _tell_new(user.roles, known)


@users.command("reset-password")
@click.argument("who")
@password_option
@env_option
@json_option
@click.pass_obj
def reset_password(context: CommandContext, who: str, password_stdin: bool, env: str | None, as_json: bool) -> None:
    """Set a new password, which is asked for or read from standard input. Every session of the user ends.

    \b
    Examples:
      nself auth users reset-password ada@example.com
    """
    from .operator import Operator

    operator = Operator.of(context, env)
    user = operator.find(who)
    secret = password(from_stdin=password_stdin, minimum=operator.settings.password_min_length)
    _tell(operator.reset_password(str(user.id), secret), "changed", as_json)


@users.command("export")
@click.argument("target", default="-")
@click.option("--secrets", is_flag=True, help="With password hashes and TOTP secrets: the file must be kept safe.")
@env_option
@click.pass_obj
def export(context: CommandContext, target: str, secrets: bool, env: str | None) -> None:
    """Write every user as a line of JSON to a file (made anew, readable by you alone) or standard output.

    \b
    Examples:
      nself auth users export users.jsonl --secrets
    """
    from .operator import Operator

    count = Operator.of(context, env).export(target, secrets=secrets)
    click.echo(f"{count} users exported{'' if secrets else ', without what they sign in with (--secrets)'}", err=True)


@users.command("import")
@click.argument("source", default="-")
@click.option("--skip-existing", is_flag=True, help="Leave users that are there already as they are, instead of refusing.")
@env_option
@json_option
@click.pass_obj
def import_(context: CommandContext, source: str, skip_existing: bool, env: str | None, as_json: bool) -> None:
    """Store users from lines of JSON that `export` wrote: all of them or, at the first fault, none.

    \b
    Examples:
      nself auth users import users.jsonl
    """
    from .operator import Operator

    existing: Literal["skip", "fail"] = "skip" if skip_existing else "fail"
    stored, skipped = Operator.of(context, env).import_(read_text(source).splitlines(), existing=existing)
    if as_json:
        print_json({"stored": stored, "skipped": skipped})
        return
    click.echo(f"{stored} users stored, {skipped} were there already")


@auth.group(short_help="The key that signs access tokens.")
def keys() -> None:
    """The key that signs access tokens.

    \b
    Examples:
      nself auth keys rotate
    """


@keys.command()
@click.option(
    "--overlap",
    type=click.IntRange(0, 366 * 24 * 3600),
    metavar="SECONDS",
    help="How long tokens of the old key still count; 0 ends them at once. By default their life and an hour.",
)
@yes_option
@env_option
@json_option
@click.pass_obj
def rotate(context: CommandContext, overlap: int | None, yes: bool, env: str | None, as_json: bool) -> None:
    """Put a new key of the same type in place of the one that signs access tokens, in the environment's secrets file.

    It takes effect with the next start. Refresh tokens stay: clients whose access token no longer counts get a new one.

    \b
    Examples:
      nself auth keys rotate
      nself auth keys rotate --overlap 0 --yes
    """
    from .rotation import rotate as replace

    require_yes("Replace the key of access tokens?", yes=yes)
    names = replace(context, env, overlap)
    if as_json:
        print_json({"names": names})
        return
    click.echo(f"changed {', '.join(names)}")
    click.echo("next: nself start", err=True)


def _tell_new(roles: Iterable[str], known: Sequence[str]) -> None:
    """A role comes to be by being given; a slip of the pen should not do so unseen."""
    from difflib import get_close_matches

    for role in roles:
        if role not in known:
            near = get_close_matches(role, known, n=1)
            click.echo(f"note: the role {role} is new" + (f"; did you mean {near[0]}?" if near else ""), err=True)


def _tell(user: object, done: str, as_json: bool) -> None:
    from .operator import shown

    seen = shown(user)
    if as_json:
        print_json(seen)
        return
    click.echo(f"{seen['email'] or seen['phone_number'] or seen['id']} {done}")
