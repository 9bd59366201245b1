"""The patient visit engine: a patient is never in two consultations at the same time."""
