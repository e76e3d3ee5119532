"""Runs: what came of each submission, as values, as DataFrames, and compared."""
