"""`visit-engine up`: runs and restarts the processes of one machine."""
