"""Sign-in through outside identity providers: their table, the OAuth exchange, id-tokens and the rules of egress."""
