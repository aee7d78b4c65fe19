"""What is measured against whom; run with ``make bench`` or ``python -m bench``."""
