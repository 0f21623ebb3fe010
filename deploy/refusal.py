"""What a person did that cannot work, in one sentence with what to do; the program exits with code 2."""


class Refusal(Exception):  # noqa: N818 - not a fault of the program
    """A clear sentence for the terminal; no traceback is shown."""
