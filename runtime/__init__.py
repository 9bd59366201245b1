"""What process entry points read before they build anything: settings, the Temporal connection, logs."""
