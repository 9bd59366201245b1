"""Tests of the event stream, from the log to the client's socket."""
