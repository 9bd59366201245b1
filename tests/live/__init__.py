"""Tests of the stream from the log to the browser's socket; they must not know a visit."""
