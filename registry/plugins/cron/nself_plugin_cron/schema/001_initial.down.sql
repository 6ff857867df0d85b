DROP TABLE np_cron_runs;
DROP TABLE np_cron_jobs;
