"""Server-Sent Events over ASGI, from one ordered log to many subscribers.

The tailer reads the log. The hub writes each new event to every live subscriber. A subscriber that is behind catches up from
memory or from the log. Nothing here knows SQL, HTTP routing or what events mean.
"""
