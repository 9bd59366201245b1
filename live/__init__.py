"""One ordered log, many readers: it must not know what the log tells, where it is kept, or who asks over which protocol."""
