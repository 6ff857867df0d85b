DROP TABLE IF EXISTS nself_host.webhook_endpoints_gone, nself_host.schedules, nself_host.jobs;
