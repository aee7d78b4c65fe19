"""What runs on whole arrays: so far the elementary functions that come with a guarantee."""
