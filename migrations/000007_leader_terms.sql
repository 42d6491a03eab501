-- Who leads what. A term is taken by comparing and setting this row, and ends where another process takes the next one. Who holds a
-- term counts the beat up every second; the others take over where it stands still.
CREATE TABLE finstage.leader_terms (
  name text PRIMARY KEY,
  -- Grows with each term.
  term bigint NOT NULL,
  -- For people: host and process. NULL: nobody leads, and whoever comes first may.
  held_by text,
  beat bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
