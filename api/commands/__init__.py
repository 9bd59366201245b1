"""From a request that changes something to its answer."""
