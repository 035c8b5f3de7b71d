"""Making agents from descriptions."""
