"""What runs as the person: every look at personal data and every change of it, in a child process.

Standard library only, so that it starts in a twentieth of a second and needs nothing but the
interpreter and this package to be readable by the person.  `main` is the program; `export` streams
a snapshot, and `bases` looks for base directories.
"""
