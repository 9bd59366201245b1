"""The command `visit-engine` and its subcommands."""
