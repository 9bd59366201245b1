"""What the person at the terminal can set right; it must not know how it is shown."""


class OperatorError(Exception):
    """One line that says what to change; the program ends with `exit_code`: 2 for a wrong setting, 1 for all else."""

    def __init__(self, line: str, exit_code: int = 1) -> None:
        super().__init__(line)
        self.exit_code = exit_code
