"""The one exception that a user of the lab is meant to read."""


class LabError(Exception):
    """Something the user can repair: one sentence on what happened, and the command or edit that mends it.

    The command line prints both without a traceback and exits with 1.
    """

    def __init__(self, what: str, repair: str) -> None:
        super().__init__(f"{what} {repair}")
        self.what = what
        self.repair = repair
