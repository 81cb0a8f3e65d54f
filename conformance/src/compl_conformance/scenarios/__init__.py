"""The rules of the contract, one file for each area; the same code judges every backend."""
