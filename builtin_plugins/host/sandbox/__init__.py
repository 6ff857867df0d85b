"""A plugin in a process of its own that reaches only what its manifest declares: natively, by bubblewrap."""
