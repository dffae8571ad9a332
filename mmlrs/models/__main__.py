"""The command line: ``python -m mmlrs.models``."""

import sys

from mmlrs.models._command_line import main

if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):  # a terminal may lack the characters of a name
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
