"""Reading networks and properties from files."""
