"""The one kind of error that is the user's to mend."""


class RnnhwError(ValueError):
    """A fault in what was given, told in one sentence: the thing, its value and what would do.

    The command line prints the sentence and exits with status 2; from Python it is an ordinary
    :class:`ValueError`.
    """
