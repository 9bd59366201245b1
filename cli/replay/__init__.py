"""`visit-engine replay`: replays a recorded day through the running system over HTTP."""
