-- As the source writes it; NULL: it does not say, so it is the currency of the prices.
ALTER TABLE finstage.dividends ADD COLUMN currency text;

-- The simulated market has other prices now, and dividends: what is stored of it is made anew when it is asked for. Before the table
-- is written anew, so that what this leaves behind needs no vacuum.
DELETE FROM finstage.candles USING finstage.candle_series AS series WHERE series_id = id AND source = 'SIMULATED';

-- Yahoo's charts carry float32 values: 129.0399932861328 for a price of 129.04. What was stored so becomes the shortest decimal that is
-- the same float32, as new rows do; a price that is no float32 stays as it is, and so do volumes. Minutes cannot be fetched again
-- after a few weeks, so they are mended here. One ALTER TABLE writes the table anew once; docs/operations.md says how long it takes.
CREATE FUNCTION finstage.shortest_decimal(price double precision) RETURNS double precision LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE
    -- The smallest and the largest float32: beyond them the cast to real fails.
    WHEN price IS NULL OR NOT abs(price) BETWEEN 1.401298464324817e-45 AND 3.4028234663852886e38 THEN price
    ELSE CASE WHEN price::real::double precision = price THEN price::real::text::double precision ELSE price END
  END
$$;
ALTER TABLE finstage.candles
  ALTER COLUMN open TYPE double precision USING finstage.shortest_decimal(open),
  ALTER COLUMN high TYPE double precision USING finstage.shortest_decimal(high),
  ALTER COLUMN low TYPE double precision USING finstage.shortest_decimal(low),
  ALTER COLUMN close TYPE double precision USING finstage.shortest_decimal(close),
  ALTER COLUMN adjusted_close TYPE double precision USING finstage.shortest_decimal(adjusted_close);
DROP FUNCTION finstage.shortest_decimal(double precision);

-- Yahoo's days are checked more strictly than when these were stored, and it has all of them: they too are fetched again when they are
-- asked for.
UPDATE finstage.candle_series SET covered = '{}', generation = generation + 1
WHERE source = 'SIMULATED' OR interval = 'DAY_1';
