"""What the operator is compared with, each a program of its own."""
