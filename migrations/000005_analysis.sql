-- Analyses outlive the jobs that made them: of each source, symbol and interval the newest is kept. Those from before do not say
-- where they came from, and are made again.
DELETE FROM finstage.symbol_analyses;
ALTER TABLE finstage.symbol_analyses ALTER COLUMN job_id DROP NOT NULL;
ALTER TABLE finstage.symbol_analyses DROP CONSTRAINT symbol_analyses_job_id_fkey;
ALTER TABLE finstage.symbol_analyses ADD FOREIGN KEY (job_id) REFERENCES finstage.jobs ON DELETE SET NULL;
ALTER TABLE finstage.symbol_analyses ADD COLUMN source text NOT NULL;
ALTER TABLE finstage.symbol_analyses ADD COLUMN position bigint GENERATED ALWAYS AS IDENTITY;
ALTER TABLE finstage.symbol_analyses ADD COLUMN sentiment text;
ALTER TABLE finstage.symbol_analyses ADD COLUMN score integer;
-- The kind and the candle of each signal that was found: the rest stands in finstage.signals.
ALTER TABLE finstage.symbol_analyses ADD COLUMN signals jsonb NOT NULL DEFAULT '[]';
CREATE INDEX symbol_analyses_newest ON finstage.symbol_analyses (source, symbol, interval, position DESC);

CREATE TABLE finstage.signals (
  source text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  kind text NOT NULL,
  -- Start of the candle that raised it.
  epoch bigint NOT NULL,
  -- Who stores signals does so one after the other, so that a reader who has seen one has seen all before it.
  position bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
  direction text NOT NULL,
  known_at timestamptz NOT NULL,
  price double precision NOT NULL,
  indicator_value double precision,
  strength double precision NOT NULL,
  detected_at timestamptz NOT NULL DEFAULT now(),
  -- Returns in per cent, signed in the signal's direction.
  return_1d double precision,
  return_1w double precision,
  return_1m double precision,
  max_return double precision,
  min_return double precision,
  -- When there is something to be filled in next; null: never again.
  follow_at timestamptz,
  PRIMARY KEY (source, symbol, interval, kind, epoch)
);
CREATE INDEX signals_newest ON finstage.signals (source, known_at DESC, position DESC);
CREATE INDEX signals_to_follow ON finstage.signals (follow_at) WHERE follow_at IS NOT NULL;

-- When any regular session closed: others close at the same time of the day, by the exchange's clock.
ALTER TABLE finstage.candle_series ADD COLUMN session_closes bigint;
