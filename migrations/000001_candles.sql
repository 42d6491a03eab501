-- Candles as the source gave them. A row without prices was unusable: it is kept so that it is counted and not asked for again.
CREATE TABLE finstage.candles (
  source text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  -- Start of the interval in epoch seconds.
  epoch bigint NOT NULL,
  open double precision,
  high double precision,
  low double precision,
  close double precision,
  volume double precision,
  closed boolean NOT NULL,
  PRIMARY KEY (source, symbol, interval, epoch)
);

-- Which spans of a series, in epoch seconds, are in the table for good.
CREATE TABLE finstage.candle_coverage (
  source text NOT NULL,
  symbol text NOT NULL,
  interval text NOT NULL,
  covered int8multirange NOT NULL,
  -- When the source was last asked for any of it.
  received_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (source, symbol, interval)
);
