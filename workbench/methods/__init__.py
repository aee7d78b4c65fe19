"""Methods: a meaning and a strategy make an algorithm."""
