"""t3safe moves a host of t3 users to the newest proven build, or changes nothing and says why."""

__version__ = "0.1.0"
