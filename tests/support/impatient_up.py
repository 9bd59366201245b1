"""`visit-engine` with a supervisor that waits only seconds, not half a minute, for a process that hangs.

It prints `temporal answers` after each check that the Temporal server has answered.
"""

from temporalio.client import Client

from patient_visit_engine.cli.app import main
from patient_visit_engine.cli.supervisor import hang_watch
from patient_visit_engine.cli.supervisor.hang_watch import LifeCheck, check_temporal


def check_temporal_aloud(client: Client) -> LifeCheck:
    """The supervisor's check, which prints when the server has answered."""
    shows_life = check_temporal(client)

    async def shows_life_aloud() -> bool:
        answers = await shows_life()
        if answers:
            print("temporal answers", flush=True)
        return answers

    return shows_life_aloud


hang_watch.PATIENCE = hang_watch.HangPatience(interval_seconds=2, missed_checks=2, missed_checks_at_start=30)
hang_watch.check_temporal = check_temporal_aloud

if __name__ == "__main__":
    main()
