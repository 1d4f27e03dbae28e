"""Comet: events, client, dashboard."""
