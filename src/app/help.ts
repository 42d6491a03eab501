export const help = `Finstage: market data over GraphQL

usage: npm start -- [role]

roles
  all      everything in one process (default); starts its own Postgres if DATABASE_URL is not set
  api      GraphQL over HTTP, SSE and WebSocket, and GraphiQL
  worker   runs the queued jobs
  ingest   the live feed: one process leads, others stand by
  migrate  migrates the database and exits
  api, worker, ingest and migrate share one database, so they need DATABASE_URL.

settings, from the environment (an empty value counts as unset)
  PORT                              port of the API (4000)
  HOST                              address that the servers listen on (127.0.0.1)
  METRICS_PORT                      port of the metrics (8001)
  AUTH                              open: needed if HOST lets other machines in. There are no keys yet: they may do everything
  ALLOWED_ORIGINS                   websites whose pages may use the API, as in https://app.example (unset: its own, and those of
                                    this machine where HOST is loopback)
  ALLOWED_HOSTS                     host names of the servers beside HOST and those of loopback, as in finstage.example
  TRUST_PROXY                       addresses of proxies whose X-Forwarded-For is believed, as in 127.0.0.1,10.0.0.0/8
  DATABASE_URL                      postgresql://user:password@host:5432/database (unset: an embedded Postgres, in DATA_DIR)
  DATABASE_CONNECTIONS              connections to it that this process holds at most (40 in all and worker, 20 in api, 10 in ingest)
  DATA_DIR                          where the embedded Postgres keeps its data (./.data)
  MARKET_SOURCE                     yahoo | simulated (yahoo)
  YAHOO_BASE_URL                    every call to Yahoo goes to this address instead, path and query kept
  YAHOO_STREAM                      on | off: take prices from Yahoo's push feed, and poll those it does not deliver (on)
  YAHOO_STREAM_URL                  address of that feed (unset: Yahoo's, or none if YAHOO_BASE_URL is set)
  SIMULATED_SYMBOLS                 symbols of the simulated market, 1 to 10000 (100)
  SIMULATED_TICKS_PER_SECOND        price updates a second for each simulated symbol, up to 5000, fractions allowed (1)
  SIMULATED_HOURS                   always | exchange: the simulated market never closes, or keeps the hours of each exchange (always)
  CANDLE_RETENTION_DAYS             days that candles under a day are kept; daily candles are kept for good (400)
  CANDLE_MEMORY_MIB                 memory for stored candles, in MiB (256)
  JOB_AGING_MINUTES                 minutes after which a waiting job rises to the next priority (10)
  JOB_RETENTION_DAYS                days that ended jobs are kept, with their results (7)
  MAX_WAITING_JOBS_PER_OWNER        jobs of one owner that wait at once (20000)
  MAX_WAITING_JOBS                  jobs that wait at once, in all (100000)
  MAX_ENQUEUES_PER_OPERATION        jobs that one operation queues (20)
  RUN_AT_WITHIN_DAYS                days that runAt may lie ahead (30)
  WATCH_LIST                        symbols of the daily report beside ^GSPC, ^IXIC and ^DJI, as in AAPL,BTC-USD (none)
  MAX_TCP_CONNECTIONS               connections of any kind to the API's port, in all (55000)
  MAX_CONNECTIONS                   WebSockets and streams over SSE open at once, in all (50000)
  MAX_CONNECTIONS_PER_ADDRESS       the same from one address; without TRUST_PROXY this machine's do not count (1000)
  MAX_SUBSCRIPTIONS_PER_CONNECTION  subscriptions open at once on one WebSocket (100)
  MAX_SYMBOLS_PER_SUBSCRIPTION      symbols of one price subscription, up to 200 (200)
  MAX_UPSTREAM_CALLS_PER_OPERATION  calls to the source that one operation, or one event of a subscription, may cause (120)
  PRICE                             measure | enforce: refuse what costs more points than it may, or only count it (enforce)
  MAX_POINTS_PER_OPERATION          that ceiling; a point is about 10 us of CPU (200000)
  MAX_STANDING_POINTS               points that open subscriptions take when each of their symbols has an event, in all (2000000)
  MAX_STANDING_POINTS_PER_CLIENT    the same of one address; without TRUST_PROXY this machine's do not count (100000)
  MAX_STANDING_POINTS_PER_CONNECTION  the same on one WebSocket, or of one stream over SSE (50000)
  MAX_MESSAGE_BYTES                 size of one message to the server over a WebSocket (65536)
  CONNECTION_INIT_SECONDS           seconds that a client may take for its connection_init (10)
  PING_SECONDS                      how often the server pings a WebSocket, and how long the client has to answer (12)
  DRAIN_SECONDS                     seconds that a stopping server still serves while it sends clients elsewhere, up to 5 (1)
  LOG_LEVEL                         trace | debug | info | warn | error | fatal | silent (info)

npm run demo starts everything on the simulated market.
`
