"""What runs as the person: every look at a state set and every change of one, in a child process.

Standard library only, so that it starts in a twentieth of a second and needs nothing but the
interpreter and this package to be readable by the person.  `serving` is the entrance.
"""
