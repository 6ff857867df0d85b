"""``CS_N``: services of the user's own, from a template, a Dockerfile or a ready image."""

from __future__ import annotations

from hookspecs import hookimpl


@hookimpl
def contribute_services(project):
    """Every ``CS_N`` as a service, and its public route where it has one."""
    from builtin_plugins.custom.service import route, service
    from builtin_plugins.custom.slots import read_slots

    for slot in read_slots(project):
        yield service(project, slot)
        public = route(project, slot)
        if public is not None:
            yield public


@hookimpl
def render_config(project, stack):
    """The template of every service whose folder is missing or empty; a folder with content is the user's."""
    from builtin_plugins.custom.scaffold import scaffolds

    return scaffolds(project) if stack.addressing == "names" else ()


@hookimpl
def pre_deploy(project, target, stack):
    """Warn of companions that nothing reads: of a slot that is not there, or for an environment that is not there."""
    from builtin_plugins.custom.leftovers import leftovers

    return leftovers(project)
