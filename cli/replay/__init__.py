"""`visit-engine replay`: a recorded day over HTTP."""
