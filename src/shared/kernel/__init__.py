"""Ids, errors, clock, settings, telemetry: what every room may use, and nothing of AWS."""
