"""The embedded service: runs express workflows on this machine, behind the cloud's own interface."""
