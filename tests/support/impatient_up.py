"""`visit-engine` with a supervisor that waits only seconds, not half a minute, for a process that hangs."""

from patient_visit_engine.cli.app import main
from patient_visit_engine.cli.supervisor import hang_watch

hang_watch.PATIENCE = hang_watch.HangPatience(interval_seconds=2, missed_checks=2, missed_checks_at_start=30)

if __name__ == "__main__":
    main()
