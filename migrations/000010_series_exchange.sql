-- The source's code of the exchange, by which its calendar is found. NULL: the series was not fetched since, or the source does not say.
ALTER TABLE finstage.candle_series ADD COLUMN exchange text;
