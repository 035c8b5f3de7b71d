"""Doubles and builders that several test rooms share."""
