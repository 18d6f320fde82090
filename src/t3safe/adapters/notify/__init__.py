"""Notifications: the destinations, and what is sent to them.

ends       the URLs from the configuration or a file of their own; a name for each that tells
           nothing secret
letters    hands messages to a child process and takes at most so long
worker     the child process: Apprise, one thread an end
"""

from t3safe.adapters.notify.ends import End, ends, readable_by_others
from t3safe.adapters.notify.letters import Letter, Sent, installed, require, send

__all__ = [
    "End",
    "Letter",
    "Sent",
    "ends",
    "installed",
    "readable_by_others",
    "require",
    "send",
]
