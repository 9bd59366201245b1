"""What the system sends: bodies of answers, problems and events. Pure values, without SQL, HTTP servers or clocks."""
