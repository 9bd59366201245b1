"""The rules of a patient's visit, in plain Python.

Import contracts keep out Temporal, SQL, HTTP, clocks, random numbers and environment variables.
"""
