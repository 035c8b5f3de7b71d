"""What blocks must not do, however they are asked: bounds on templates, queries, schemas and requests."""
