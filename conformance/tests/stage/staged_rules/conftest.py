"""Gives the staged scenarios their fixtures."""

from __future__ import annotations

from compl_conformance.fixtures import backend, backend_spec, open_port, port, rng, sources

__all__ = ["backend", "backend_spec", "open_port", "port", "rng", "sources"]
