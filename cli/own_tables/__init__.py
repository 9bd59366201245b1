"""`visit-engine import --map`: feeds a hospital's own tables to the running system."""
