"""Journals that earlier formats of t3safe wrote, kept as SQL: what was written stays readable."""
