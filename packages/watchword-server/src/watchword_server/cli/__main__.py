"""`python -m watchword_server.cli`: the command line without its installed script.

Holds nothing but the call.
"""

from watchword_server.cli.main import main

main()
