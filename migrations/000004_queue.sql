-- Which of graphile-worker's jobs carries a job; each retry has a new one. With the attempt it tells one run from another.
ALTER TABLE finstage.jobs ADD COLUMN queue_job_id bigint;
-- Attempts that failed, and attempts whose worker was lost: only the first use up max_attempts.
ALTER TABLE finstage.jobs ADD COLUMN failures integer NOT NULL DEFAULT 0;
ALTER TABLE finstage.jobs ADD COLUMN losses integer NOT NULL DEFAULT 0;
-- Every state it was in, for followers who were not told: revision, state and what else had changed.
ALTER TABLE finstage.jobs ADD COLUMN history jsonb NOT NULL DEFAULT '[]';
ALTER TABLE finstage.jobs ADD COLUMN changed_at timestamptz NOT NULL DEFAULT clock_timestamp();
-- Room on the page for the next change, which then need not touch an index.
ALTER TABLE finstage.jobs SET (fillfactor = 60);

DO $$
BEGIN
  IF to_regclass('graphile_worker._private_jobs') IS NOT NULL THEN
    UPDATE finstage.jobs SET queue_job_id = queued.id, failures = greatest(0, attempt - (state = 'RUNNING')::int)
    FROM graphile_worker._private_jobs AS queued WHERE (queued.payload ->> 'jobId')::uuid = jobs.id;
    -- Their attempts were the job's own, and a carrier that has none left is never taken again.
    UPDATE graphile_worker._private_jobs AS queued SET max_attempts = 32000,
      priority = CASE jobs.priority WHEN 'CRITICAL' THEN 3 WHEN 'HIGH' THEN 12 WHEN 'NORMAL' THEN 21 ELSE 30 END
    FROM finstage.jobs WHERE jobs.queue_job_id = queued.id;
  END IF;
END $$;

-- What a job has done so far, so that another attempt need not do it again.
CREATE TABLE finstage.job_parts (
  job_id uuid NOT NULL REFERENCES finstage.jobs ON DELETE CASCADE,
  part text NOT NULL,
  result jsonb,
  PRIMARY KEY (job_id, part)
);

-- The worker pools that are alive: each counts its beat up every second.
CREATE TABLE finstage.workers (
  id text PRIMARY KEY,
  beat bigint NOT NULL DEFAULT 0
);
