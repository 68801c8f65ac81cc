"""Observability: logs, metrics, traces and the feed of the dashboard."""
