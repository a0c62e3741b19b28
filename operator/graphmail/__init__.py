"""The GraphMail operator: keeps Microsoft Graph mail subscriptions alive."""
