"""What `doctor` concludes from the facts that others gather."""
