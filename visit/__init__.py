"""The rules of a patient's visit, in plain Python: it must not know Temporal, SQL, HTTP, a clock, chance or the environment."""
