"""So that ``python -m workbench.cli`` works."""

from workbench.cli import main

main()
