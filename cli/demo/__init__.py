"""`visit-engine demo`: a small hospital to try things with."""
