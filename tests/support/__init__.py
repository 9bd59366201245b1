"""Support code of the tests: builders, drivers, servers, processes and clients."""
