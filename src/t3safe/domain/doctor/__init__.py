"""What `doctor` concludes from facts that are passed in."""
