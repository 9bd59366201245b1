"""What leaves the system: answers, event bodies and the timeline, as plain values."""
