"""Everything that is shown: pure functions from a value to plain text and HTML."""
