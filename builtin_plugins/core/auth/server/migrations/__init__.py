"""The migrations of the schema `auth`, as pairs of SQL files that `migrate` reads in order."""
