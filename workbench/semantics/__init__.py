"""Meanings of a graph, one a file.  None of them names an operator: they see operators only through the table."""
