"""How fast t3safe is: beside what it replaces, and beside what nothing could be faster than."""
