"""``python -m tinyvision`` is the command ``tinyvision``."""

from .cli import main

if __name__ == "__main__":
    main()
