"""The HTTP API: routes, sign-in, the event stream, and the process that serves them."""
