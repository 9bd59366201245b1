"""What one patient-day costs, and how that adds up: `python -m bench.scale`; it must not judge."""
