"""Agents: what they are made of, and the tools by which a chat uses it."""
