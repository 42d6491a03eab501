-- Counts up when candles that were stored for good change or go, so that processes that keep them in memory notice.
ALTER TABLE finstage.candle_series ADD COLUMN settled_version integer NOT NULL DEFAULT 0;
