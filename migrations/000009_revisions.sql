-- The newest candles that are stored for good are asked for again for some days, since the source may still fill, correct or reject
-- them. A candle was last asked for when it was first fetched or at this time, whichever is later.
ALTER TABLE finstage.candle_series ADD COLUMN revised_at timestamptz;
-- What was stored so far was never asked for again: 16 days of it are, once.
UPDATE finstage.candle_series SET revised_at = greatest(basis_at, least(received_at, now() - interval '8 days'));
ALTER TABLE finstage.candle_series ALTER COLUMN revised_at SET NOT NULL;
