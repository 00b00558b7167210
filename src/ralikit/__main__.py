"""`python -m ralikit`, and so `torchrun … -m ralikit …`."""

from ralikit.cli import main

if __name__ == "__main__":
    main()
