"""What clients may send, and the OpenAPI document."""
