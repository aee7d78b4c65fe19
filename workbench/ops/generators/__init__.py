"""Generators: one line of an operator's file gives most of its meanings."""
