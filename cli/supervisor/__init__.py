"""`visit-engine up`: the processes of one machine, kept running."""
