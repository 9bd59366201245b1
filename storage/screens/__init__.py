"""What the screens read: the worklist, the board and one patient's day. It writes nothing."""
