"""Two rules of one id."""
