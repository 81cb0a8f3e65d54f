"""Tests that need completion ports: on Windows, or on a Windows CPython under Wine."""
