"""The HTTP operations of the contract, one module per subject."""
