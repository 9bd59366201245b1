"""`python -m cli` is `visit-engine`: how the supervisor starts its parts, whatever the PATH."""

from cli.app import main

main()
