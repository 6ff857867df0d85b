"""The metadata document: its store, its commands, its files."""
