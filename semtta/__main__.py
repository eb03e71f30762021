"""``python -m semtta``: the command."""

from semtta_cli.main import main

if __name__ == "__main__":
    main()
