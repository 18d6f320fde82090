"""Tests of the state chart: what is explored, and how it is said and drawn."""
