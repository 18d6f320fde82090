"""A person's data as files and databases: found, read and counted.  Standard library only."""
