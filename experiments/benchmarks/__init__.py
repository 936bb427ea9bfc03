"""Measurements: scripts that write their records, and the records."""
