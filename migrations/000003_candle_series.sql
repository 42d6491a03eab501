-- Candles laid out for tens of millions of rows: a row is 76 bytes and its place in the index 16, since what names a series
-- stands once, in candle_series. What was stored before is fetched again.
DROP TABLE finstage.candles;
DROP TABLE finstage.candle_coverage;

CREATE TABLE finstage.candle_series (
  id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  source text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  extended_hours boolean NOT NULL,
  -- Spans in epoch seconds that are in finstage.candles for good.
  covered int8multirange NOT NULL DEFAULT '{}',
  -- What the source tells of the series; times in epoch seconds.
  timezone text,
  currency text,
  first_trade bigint,
  session_opens bigint,
  -- Candles from here on were still forming when they were stored; null: none was.
  open_from bigint,
  -- Counts up when something that was here is no longer to be believed.
  generation integer NOT NULL DEFAULT 0,
  -- When the source was last asked for any of it, and when for the oldest part that is still here.
  received_at timestamptz NOT NULL,
  basis_at timestamptz NOT NULL,
  -- DAY_1: up to when all splits and dividends since basis_at have been seen.
  actions_at timestamptz,
  UNIQUE (source, symbol, interval, extended_hours)
);

-- Adjusted for splits as of the series' newest one. A row without prices was unusable: it is kept so that it is counted and not
-- asked for again. No foreign key: its check would take two thirds of the speed of a bulk load, and a series is never deleted.
CREATE TABLE finstage.candles (
  series_id integer NOT NULL,
  -- Start of the interval in minutes since 1970.
  minute integer NOT NULL,
  open double precision,
  high double precision,
  low double precision,
  close double precision,
  volume double precision,
  -- Adjusted for dividends too; of days only.
  adjusted_close double precision,
  PRIMARY KEY (series_id, minute)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_analyze_scale_factor = 0.02);

-- By the first trading date without the dividend or after the split: midnight UTC, in epoch seconds.
CREATE TABLE finstage.dividends (
  source text NOT NULL,
  symbol text NOT NULL,
  epoch bigint NOT NULL,
  amount double precision NOT NULL,
  -- When the fetch began that brought it: what was asked for before may lack it.
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (source, symbol, epoch)
);

CREATE TABLE finstage.splits (
  source text NOT NULL,
  symbol text NOT NULL,
  epoch bigint NOT NULL,
  numerator double precision NOT NULL,
  denominator double precision NOT NULL,
  seen_at timestamptz NOT NULL,
  PRIMARY KEY (source, symbol, epoch)
);
