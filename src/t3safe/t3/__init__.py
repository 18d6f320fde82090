"""What is known of t3: requests to it as values, its answers read.  Nothing here does I/O."""
