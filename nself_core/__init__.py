"""The minimal core: settings, plugins, stack, render, command line. It names no service."""

__version__ = "0.1.0"
