DROP TABLE np_notify_preferences;
DROP TABLE np_notify_attempts;
DROP TABLE np_notify_notifications;
DROP TABLE np_notify_templates;
