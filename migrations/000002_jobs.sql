-- graphile-worker deletes the jobs that it has finished; this is what clients see of them.
CREATE TABLE finstage.jobs (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  kind text NOT NULL,
  owner text NOT NULL,
  priority text NOT NULL,
  state text NOT NULL,
  progress double precision NOT NULL DEFAULT 0,
  attempt integer NOT NULL DEFAULT 0,
  max_attempts integer NOT NULL,
  timeout_seconds integer NOT NULL,
  input jsonb NOT NULL,
  idempotency_key text,
  queued_at timestamptz NOT NULL DEFAULT now(),
  run_at timestamptz NOT NULL DEFAULT now(),
  started_at timestamptz,
  finished_at timestamptz,
  failure jsonb,
  -- What the job leaves beside rows in tables of its own, by kind.
  result jsonb,
  revision bigint NOT NULL DEFAULT 0
);
CREATE INDEX jobs_by_owner ON finstage.jobs (owner, position DESC);
CREATE INDEX jobs_by_idempotency_key ON finstage.jobs (owner, idempotency_key, queued_at) WHERE idempotency_key IS NOT NULL;

CREATE TABLE finstage.symbol_analyses (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  job_id uuid NOT NULL REFERENCES finstage.jobs ON DELETE CASCADE,
  -- In the order in which the symbols were asked for.
  place integer NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  analysed_at timestamptz NOT NULL DEFAULT now(),
  as_of timestamptz NOT NULL,
  price double precision NOT NULL,
  trend text,
  indicators jsonb NOT NULL,
  UNIQUE (job_id, symbol)
);
