"""An error that the person at the terminal can correct."""


class OperatorError(Exception):
    """One line that says what to change. The program ends with `exit_code`: 2 for a wrong setting, 1 for other errors."""

    def __init__(self, message: str, exit_code: int = 1) -> None:
        super().__init__(message)
        self.exit_code = exit_code
