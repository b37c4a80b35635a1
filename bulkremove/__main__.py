"""`python -m bulkremove` is the same as `bulkremove`."""

from bulkremove.cli import main

if __name__ == "__main__":
    main()
