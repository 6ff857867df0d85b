"""What an operator does to users and keys, as plain async functions that commands call."""
