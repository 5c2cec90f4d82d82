"""Fakes that ship: they pass the same contract tests as the real adapters."""
