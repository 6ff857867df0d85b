DROP TABLE np_jobs_schedules;
DROP FUNCTION np_jobs_enqueue(text, jsonb, text, integer, interval, text, text);
DROP TABLE np_jobs_jobs;
DROP TABLE np_jobs_queues;
DROP FUNCTION np_jobs_ready();
