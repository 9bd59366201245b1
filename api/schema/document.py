"""Prints the OpenAPI document. The page generates its TypeScript types from it."""

import json

from patient_visit_engine.api.app import describe

if __name__ == "__main__":
    print(json.dumps(describe().openapi(), indent=1))
