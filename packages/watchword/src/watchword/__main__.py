"""``python -m watchword``.

Holds nothing; see ``watchword.cli``.
"""

from __future__ import annotations

import sys

from watchword.cli import main

if __name__ == "__main__":
    sys.exit(main())
