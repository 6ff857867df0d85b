"""The running Host. Heavy: imported by its own process alone."""
