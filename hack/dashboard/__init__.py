"""The dashboard for Grafana, generated: what each panel asks, and how it looks."""
