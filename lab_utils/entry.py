"""The program `lab`: until the command line is loaded, Ctrl-C ends it at once and not with a traceback of imports."""

import signal
import sys


def main() -> int:
    """Load the command line and run it; the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from lab_utils import cli, signals

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signals.end_on_sigterm_as_on_ctrl_c()
    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
