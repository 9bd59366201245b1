"""What screens read: worklist, board and one patient's day."""
