"""Mutation testing of the core: what runs it, and the mutants that are let live."""
