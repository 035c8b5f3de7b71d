"""The agents of each user, and those that are published."""
