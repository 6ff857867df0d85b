"""Mail: texts per locale, an outbox in PostgreSQL and the delivery from it."""
