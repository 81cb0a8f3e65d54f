"""A genuine Windows CPython on Linux, under Wine: its parts, which windows_python.py puts together."""
