"""A simulator of Microsoft Graph change notifications and of Microsoft sign-in."""
