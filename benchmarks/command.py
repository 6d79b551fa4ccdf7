"""What the command of every benchmark does with its figures."""

import sys

from rnnhw.errors import RnnhwError


def finish(name, figures, page, failed=lambda found: False):
    """Print the page of ``figures(say)``; exit status 1 where they ``failed``.

    ``say`` tells progress on stderr. An error is one sentence that begins with ``name``.
    """
    try:
        found = figures(lambda text: print(text, file=sys.stderr, flush=True))
    except RnnhwError as error:
        sys.exit(f"benchmarks.{name}: {error}")
    print(page(found), end="")
    sys.exit(failed(found))
