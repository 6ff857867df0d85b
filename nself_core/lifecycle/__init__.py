"""Running a project: choosing the runtime, settling ports, starting with progress, and reading its state."""
