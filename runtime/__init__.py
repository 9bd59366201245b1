"""Settings, logs, the Temporal connection with its namespace, and the development server."""
