"""The mechanical repairs of graphs that a model or another program has written."""
