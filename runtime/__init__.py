"""What each process reads before it starts: settings, the Temporal connection, and logs."""
