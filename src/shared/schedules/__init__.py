"""Runs and messages at times that a user has chosen."""
