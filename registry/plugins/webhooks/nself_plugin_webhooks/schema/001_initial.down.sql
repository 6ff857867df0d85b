DROP TABLE np_webhooks_attempts;
DROP TABLE np_webhooks_deliveries;
DROP TABLE np_webhooks_events;
DROP TABLE np_webhooks_endpoints;
