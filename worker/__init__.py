"""The process that runs visits and their activities. It loads no web framework."""
