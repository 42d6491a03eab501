import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Config, parseConfig } from '../../../src/app/config.ts'
import { help } from '../../../src/app/help.ts'
import { ConfigurationError } from '../../../src/platform/environment.ts'

function refusal(environment: Readonly<Record<string, string>>): string {
  try {
    parseConfig(environment)
  } catch (error) {
    assert.ok(error instanceof ConfigurationError)
    return error.message
  }
  return assert.fail(`was taken: ${JSON.stringify(environment)}`)
}

test('nothing has to be set: what is not has its default', () => {
  assert.deepEqual(parseConfig({}), {
    PORT: 4000,
    HOST: '127.0.0.1',
    METRICS_PORT: 8001,
    AUTH: undefined,
    ALLOWED_ORIGINS: undefined,
    ALLOWED_HOSTS: undefined,
    TRUST_PROXY: undefined,
    DATABASE_URL: undefined,
    DATABASE_CONNECTIONS: undefined,
    DATA_DIR: './.data',
    MARKET_SOURCE: 'yahoo',
    YAHOO_BASE_URL: undefined,
    YAHOO_STREAM: 'on',
    YAHOO_STREAM_URL: undefined,
    SIMULATED_SYMBOLS: 100,
    SIMULATED_TICKS_PER_SECOND: 1,
    SIMULATED_HOURS: 'always',
    CANDLE_MEMORY_MIB: 256,
    CANDLE_RETENTION_DAYS: 400,
    JOB_AGING_MINUTES: 10,
    JOB_RETENTION_DAYS: 7,
    MAX_WAITING_JOBS_PER_OWNER: 20_000,
    MAX_WAITING_JOBS: 100_000,
    MAX_ENQUEUES_PER_OPERATION: 20,
    RUN_AT_WITHIN_DAYS: 30,
    PRICE: 'enforce',
    MAX_POINTS_PER_OPERATION: 200_000,
    MAX_STANDING_POINTS: 2_000_000,
    MAX_STANDING_POINTS_PER_CLIENT: 100_000,
    MAX_STANDING_POINTS_PER_CONNECTION: 50_000,
    MAX_TCP_CONNECTIONS: 55_000,
    MAX_CONNECTIONS: 50_000,
    MAX_CONNECTIONS_PER_ADDRESS: 1_000,
    MAX_SUBSCRIPTIONS_PER_CONNECTION: 100,
    MAX_SYMBOLS_PER_SUBSCRIPTION: 200,
    MAX_UPSTREAM_CALLS_PER_OPERATION: 120,
    MAX_MESSAGE_BYTES: 65_536,
    CONNECTION_INIT_SECONDS: 10,
    PING_SECONDS: 12,
    DRAIN_SECONDS: 1,
    WATCH_LIST: undefined,
    LOG_LEVEL: 'info',
  } satisfies Config)
})

test('an empty value counts as unset, for every setting', () => {
  const empty = Object.fromEntries(Object.keys(parseConfig({})).map((name) => [name, '']))
  assert.deepEqual(parseConfig(empty), parseConfig({}))
})

test('the help names every setting and its default', () => {
  for (const [name, fallback] of Object.entries(parseConfig({}))) {
    const line = help.split('\n').find((candidate) => candidate.startsWith(`  ${name} `))
    assert.ok(line?.endsWith(fallback === undefined ? '' : `(${fallback})`), name)
  }
})

for (const [name, text, value] of [
  ['PORT', '0', 0],
  ['PORT', '65535', 65_535],
  ['METRICS_PORT', '0', 0],
  ['HOST', '::1', '::1'],
  ['HOST', '127.0.0.5', '127.0.0.5'],
  ['AUTH', 'open', 'open'],
  ['ALLOWED_ORIGINS', 'https://App.example', ['https://app.example']],
  [
    'ALLOWED_ORIGINS',
    'https://app.example/, http://localhost:5173,https://app.example:443',
    ['https://app.example', 'http://localhost:5173'],
  ],
  ['ALLOWED_HOSTS', 'Finstage.example, 10.0.0.7,fd00::7', ['finstage.example', '10.0.0.7', 'fd00::7']],
  ['TRUST_PROXY', '127.0.0.1, 10.0.0.0/8,fd00::/8,::1', ['127.0.0.1', '10.0.0.0/8', 'fd00::/8', '::1']],
  ['DRAIN_SECONDS', '0', 0],
  ['DRAIN_SECONDS', '2.5', 2.5],
  ['DATABASE_URL', 'postgres://user:password@host:5432/database', 'postgres://user:password@host:5432/database'],
  ['DATABASE_URL', 'postgresql://user@/database?host=%2Ftmp', 'postgresql://user@/database?host=%2Ftmp'],
  ['MARKET_SOURCE', 'simulated', 'simulated'],
  ['YAHOO_BASE_URL', 'http://127.0.0.1:8080', 'http://127.0.0.1:8080'],
  ['YAHOO_BASE_URL', 'https://proxy.example/', 'https://proxy.example/'],
  ['YAHOO_STREAM', 'off', 'off'],
  ['YAHOO_STREAM_URL', 'ws://127.0.0.1:8080/?version=2', 'ws://127.0.0.1:8080/?version=2'],
  ['SIMULATED_SYMBOLS', '1', 1],
  ['SIMULATED_SYMBOLS', '10000', 10_000],
  ['SIMULATED_HOURS', 'exchange', 'exchange'],
  ['SIMULATED_TICKS_PER_SECOND', '0.05', 0.05],
  ['SIMULATED_TICKS_PER_SECOND', '2.5', 2.5],
  ['SIMULATED_TICKS_PER_SECOND', '5000', 5000],
  ['CANDLE_RETENTION_DAYS', '1', 1],
  ['CANDLE_RETENTION_DAYS', '36500', 36_500],
  ['JOB_AGING_MINUTES', '0.5', 0.5],
  ['JOB_AGING_MINUTES', '10080', 10_080],
  ['JOB_RETENTION_DAYS', '1', 1],
  ['JOB_RETENTION_DAYS', '36500', 36_500],
  ['MAX_WAITING_JOBS_PER_OWNER', '1', 1],
  ['MAX_WAITING_JOBS', '10000000', 10_000_000],
  ['MAX_ENQUEUES_PER_OPERATION', '200', 200],
  ['RUN_AT_WITHIN_DAYS', '3650', 3650],
  ['WATCH_LIST', 'AAPL', ['AAPL']],
  ['WATCH_LIST', 'aapl, BTC-USD,AAPL', ['AAPL', 'BTC-USD']],
  ['LOG_LEVEL', 'silent', 'silent'],
] as const) {
  test(`${name}=${text} is taken`, () => {
    assert.deepEqual(parseConfig({ [name]: text })[name], value)
  })
}

for (const [name, text] of [
  ['PORT', 'http'],
  ['PORT', '65536'],
  ['PORT', '-1'],
  ['PORT', '80.5'],
  ['PORT', ' 80'],
  ['METRICS_PORT', '100000'],
  ['AUTH', 'none'],
  ['ALLOWED_ORIGINS', '*'],
  ['ALLOWED_ORIGINS', 'null'],
  ['ALLOWED_ORIGINS', 'app.example'],
  ['ALLOWED_ORIGINS', 'https://app.example/page'],
  ['ALLOWED_ORIGINS', 'ftp://app.example'],
  ['ALLOWED_ORIGINS', 'https://app.example,'],
  ['ALLOWED_HOSTS', 'finstage.example:4000'],
  ['ALLOWED_HOSTS', 'https://finstage.example'],
  ['ALLOWED_HOSTS', 'me@finstage.example'],
  ['ALLOWED_HOSTS', '*'],
  ['TRUST_PROXY', 'proxy.example'],
  ['TRUST_PROXY', '10.0.0.0/33'],
  ['TRUST_PROXY', '10.0.0.0/8/8'],
  ['TRUST_PROXY', '10.0.0.0/'],
  ['TRUST_PROXY', 'true'],
  ['DRAIN_SECONDS', '6'],
  ['DRAIN_SECONDS', '-1'],
  ['DATABASE_URL', 'localhost:5432/database'],
  ['DATABASE_URL', 'mysql://host/database'],
  ['DATABASE_URL', 'postgresql://'],
  ['MARKET_SOURCE', 'Yahoo'],
  ['MARKET_SOURCE', 'simulation'],
  ['YAHOO_BASE_URL', '127.0.0.1:8080'],
  ['YAHOO_BASE_URL', 'ftp://127.0.0.1'],
  ['YAHOO_BASE_URL', 'http://127.0.0.1/path'],
  ['YAHOO_STREAM', 'maybe'],
  ['YAHOO_STREAM_URL', 'http://127.0.0.1:8080'],
  ['SIMULATED_HOURS', 'never'],
  ['SIMULATED_SYMBOLS', '0'],
  ['SIMULATED_SYMBOLS', '10001'],
  ['SIMULATED_SYMBOLS', '1.5'],
  ['SIMULATED_SYMBOLS', 'many'],
  ['SIMULATED_TICKS_PER_SECOND', '0'],
  ['SIMULATED_TICKS_PER_SECOND', '-1'],
  ['SIMULATED_TICKS_PER_SECOND', '5000.1'],
  ['SIMULATED_TICKS_PER_SECOND', 'Infinity'],
  ['SIMULATED_TICKS_PER_SECOND', 'NaN'],
  ['SIMULATED_TICKS_PER_SECOND', ' '],
  ['CANDLE_RETENTION_DAYS', '0'],
  ['CANDLE_RETENTION_DAYS', '30.5'],
  ['CANDLE_RETENTION_DAYS', 'forever'],
  ['JOB_AGING_MINUTES', '0'],
  ['JOB_AGING_MINUTES', 'never'],
  ['JOB_AGING_MINUTES', '10081'],
  ['JOB_RETENTION_DAYS', '0'],
  ['JOB_RETENTION_DAYS', '1.5'],
  ['MAX_WAITING_JOBS_PER_OWNER', '0'],
  ['MAX_WAITING_JOBS', '10000001'],
  ['MAX_ENQUEUES_PER_OPERATION', '201'],
  ['RUN_AT_WITHIN_DAYS', '3651'],
  ['WATCH_LIST', 'AAPL,'],
  ['WATCH_LIST', 'AAPL MSFT'],
  ['WATCH_LIST', Array.from({ length: 101 }, (_, i) => `S${i}`).join()],
  ['LOG_LEVEL', 'verbose'],
] as const) {
  test(`${name}=${text} is refused, with its name, its value and what is wanted`, () => {
    const message = refusal({ [name]: text })
    assert.ok(message.startsWith(`${name}=${JSON.stringify(text)} is wrong: `), message)
    assert.ok(!message.includes('\n'), message)
    assert.match(message, /wanted$|a port is a number from 0 to 65535/)
  })
}

for (const host of ['0.0.0.0', '::', '192.0.2.1', 'finstage.example', '127.0.0.1.example']) {
  test(`HOST=${host} lets others in, so it is refused where AUTH does not say that they may do everything`, () => {
    assert.match(refusal({ HOST: host }), new RegExp(`^HOST=${host} is refused: .*AUTH=open`))
    assert.equal(parseConfig({ HOST: host, AUTH: 'open' }).HOST, host)
  })
}

test('the same port twice is refused, by default ports too, unless it is 0: any that is free', () => {
  for (const environment of [{ PORT: '5000', METRICS_PORT: '5000' }, { PORT: '8001' }, { METRICS_PORT: '4000' }]) {
    assert.match(refusal(environment), /METRICS_PORT=\d+ is wrong: it is the same as PORT/)
  }
  assert.equal(parseConfig({ PORT: '0', METRICS_PORT: '0' }).PORT, 0)
})

test('more live connections than there may be of any kind are refused', () => {
  assert.match(refusal({ MAX_TCP_CONNECTIONS: '100' }), /MAX_CONNECTIONS=50000 is wrong: .* MAX_TCP_CONNECTIONS=100$/)
  assert.equal(parseConfig({ MAX_TCP_CONNECTIONS: '100', MAX_CONNECTIONS: '100' }).MAX_CONNECTIONS, 100)
})

for (const [misspelt, meant] of [
  ['METRIC_PORT', 'METRICS_PORT'],
  ['METRICS_PROT', 'METRICS_PORT'],
  ['DATABSE_URL', 'DATABASE_URL'],
  ['DATA_DIRR', 'DATA_DIR'],
  ['LOG_LEVL', 'LOG_LEVEL'],
  ['MARKET_SOUCE', 'MARKET_SOURCE'],
  ['YAHOO_BASEURL', 'YAHOO_BASE_URL'],
  ['SIMULATED_SYMBLOS', 'SIMULATED_SYMBOLS'],
  ['SIMULATED_TICKS', 'SIMULATED_TICKS_PER_SECOND'],
  ['SIMULATED_TICKS_PER_SECONDS', 'SIMULATED_TICKS_PER_SECOND'],
] as const) {
  test(`${misspelt} is refused, and ${meant} named as what was meant`, () => {
    assert.equal(refusal({ [misspelt]: '1' }), `${misspelt} is not a setting: did you mean ${meant}?`)
  })
}

test('what has nothing to do with Finstage is left alone', () => {
  const others =
    'PATH HOME HOSTNAME HOSTTYPE USER LOGNAME SHELL SHLVL TERM LANG TZ PWD OLDPWD TMPDIR EDITOR CI DEBUG PGHOST PGPORT PGDATA ' +
    'NODE_ENV NODE_OPTIONS NODE_PATH NPM_CONFIG_LOGLEVEL npm_config_loglevel npm_config_cache npm_lifecycle_event INIT_CWD ' +
    'HTTP_PROXY https_proxy NO_PROXY SSH_CLIENT XDG_DATA_DIRS XDG_DATA_HOME MAIL LS_COLORS VIRTUAL_HOST ' +
    'YAHOO_RECORDINGS_DIR MARKET_DATA_DIR CHROMIUM_PATH FINSTAGE_TEST_DATABASE ' +
    'KUBERNETES_PORT KUBERNETES_SERVICE_HOST POSTGRES_PORT POSTGRES_PASSWORD REDIS_URL REDIS_PORT RUST_LOG OTEL_LOG_LEVEL'
  assert.deepEqual(parseConfig(Object.fromEntries(others.split(' ').map((name) => [name, 'x']))), parseConfig({}))
})
