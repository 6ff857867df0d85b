"""Runtimes: what makes a Plan run."""
