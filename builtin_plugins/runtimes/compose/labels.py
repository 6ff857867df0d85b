"""The labels by which everything of a project is found again. Names are never built or guessed."""

from __future__ import annotations

PROJECT = "nself.project"
SERVICE = "nself.service"
ENVIRONMENT = "nself.environment"
SPEC = "nself.spec"
"""Hash of the service's entry in the Compose file."""
VOLUME = "nself.volume"
ONE_SHOT = "nself.one-shot"

#: Compose's own: the folder of the file that made a container.
WORKING_DIR = "com.docker.compose.project.working_dir"
NUMBER = "com.docker.compose.container-number"
