"""The benchmark of the event stream: the engine, nginx with nchan, and queues send the same events to the same subscribers."""
