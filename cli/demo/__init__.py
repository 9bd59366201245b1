"""`visit-engine demo`: a small demonstration hospital to try things with."""
