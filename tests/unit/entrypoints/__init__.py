"""Tests of the settings, the exit statuses and the command line."""
