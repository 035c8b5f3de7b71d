"""The product's own documentation, searchable."""
