"""What the tests of the whole operator share."""
