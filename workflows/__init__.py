"""The Temporal workflow of a visit, and the client that sends commands to it. No settings, no SQL, no network code."""
