"""The patient visit engine: a patient is in at most one exclusive consultation at a time."""
