"""The event stream over HTTP, and who reads it."""
