"""Fails."""

raise RuntimeError("this conftest does not import")
