"""The only room that knows boto3: tables, queue, sockets, parameters."""
