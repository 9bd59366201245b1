"""How connections are accepted, limited and refused, before a request reaches the application."""
