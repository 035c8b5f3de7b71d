"""Measurements: ratios against a named peer or baseline in one run, and counted costs."""
