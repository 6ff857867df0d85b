"""The demo project that `nself init --demo` makes: its files, as text."""
