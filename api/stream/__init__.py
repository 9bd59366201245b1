"""The event stream over HTTP, and the presence of its subscribers."""
