"""Rules whose conftest is broken."""
