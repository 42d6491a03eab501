-- How many more jobs may be queued before they are counted again: of each owner, and of all under the empty name.
CREATE TABLE finstage.job_room (
  owner text PRIMARY KEY,
  -- The limit that `room` was reckoned from: a process with another one counts anew.
  most integer NOT NULL,
  room integer NOT NULL,
  -- Not before: counting takes at most a tenth of the time.
  recount_at timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);

-- Whose job a carrier carries, so that those of an owner can be counted.
DO $$
BEGIN
  IF to_regclass('graphile_worker._private_jobs') IS NOT NULL THEN
    UPDATE graphile_worker._private_jobs AS queued SET flags = jsonb_build_object(jobs.owner, true)
    FROM finstage.jobs WHERE jobs.queue_job_id = queued.id;
  END IF;
END $$;
