"""Prints the OpenAPI document. The page generates its TypeScript types from it."""

import json

from patient_visit_engine.api.app import create_documented_app

if __name__ == "__main__":
    print(json.dumps(create_documented_app().openapi(), indent=1))
