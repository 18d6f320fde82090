"""The real command line struck on a whole host."""
