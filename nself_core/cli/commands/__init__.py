"""The commands, one module each; ``nself_core.cli.table`` lists them."""
