"""What every bench stands on: a fleet of mailboxes, the parts they live in, and meters for what the work costs."""
