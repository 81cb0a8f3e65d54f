"""Tests of the harness itself; what it measures is never asserted."""
