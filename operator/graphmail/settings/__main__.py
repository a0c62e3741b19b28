"""Prints the table of docs/settings.md."""

import sys

from graphmail.settings import markdown_table

sys.stdout.write(markdown_table())
