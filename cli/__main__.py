"""`python -m cli` is `visit-engine`: how the supervisor starts its parts, whatever the PATH."""

from patient_visit_engine.cli.app import main

main()
