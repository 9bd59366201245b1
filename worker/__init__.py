"""The process that runs visits and their activities; it must not know HTTP."""
