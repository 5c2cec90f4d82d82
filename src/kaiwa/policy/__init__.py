"""Decisions without I/O: (event, now) -> decisions. No async, no clock."""
