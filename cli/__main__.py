"""`python -m patient_visit_engine.cli` runs `visit-engine`, so the supervisor needs no program on the PATH."""

from patient_visit_engine.cli.app import main

main()
