"""Implementations of the ports; imported by the composition root alone."""
