"""Prints the API's OpenAPI document, from which the page's types are made; it must not connect to anything."""

import json

from patient_visit_engine.api.app import describe

if __name__ == "__main__":
    print(json.dumps(describe().openapi(), indent=1))
