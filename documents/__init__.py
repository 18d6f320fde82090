"""Makes the documents that are read off the code, and puts the site together."""
