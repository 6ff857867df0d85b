"""The monitoring bundle: ten plugins that one setting switches on together."""
