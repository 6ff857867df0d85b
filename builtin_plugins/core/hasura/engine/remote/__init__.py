"""Actions and remote schemas: root fields that other HTTP servers answer."""
