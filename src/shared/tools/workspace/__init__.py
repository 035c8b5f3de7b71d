"""Files of a session: rows that say what there is, and a bucket that holds the bytes."""
