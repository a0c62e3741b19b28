"""What of the Helm chart is generated: the copy of the CRD, the schema of its values, and their table in docs/chart.md."""
