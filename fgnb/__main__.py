"""``python -m fgnb``: the command line."""

from fgnb.cli import main

main(prog_name="fgnb")
