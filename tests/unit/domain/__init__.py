"""What the core decides, one decision at a time."""
