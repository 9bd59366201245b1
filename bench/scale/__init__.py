"""The scaling benchmark: what one patient-day costs, and how the costs add up."""
