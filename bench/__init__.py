"""Measurements on this machine; each prints a table. They are not tests and assert nothing."""
