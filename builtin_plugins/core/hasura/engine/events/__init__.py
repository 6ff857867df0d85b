"""Event triggers, cron triggers and one-off scheduled events."""
