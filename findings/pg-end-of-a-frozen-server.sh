#!/usr/bin/env bash
# pg 8.23.1: `client.end()` of an idle connection waits until the server closes it. A server that is frozen (its host paused, its
# processes stopped, a network that swallows) never does, and no setting bounds the wait: not connectionTimeoutMillis,
# query_timeout, statement_timeout or keepAlive. `pool.end()` resolves: it does not wait for the goodbye of its idle clients.
# Guess before the run: both resolve once the goodbye is sent, or give up after connectionTimeoutMillis or query_timeout.
# Seen: after 5 s, ten times either of them, the client's has not resolved. A process that awaits it as it stops hangs with the server:
# destroy the socket (client.connection.stream) after a time of your own.
# The server here is one that takes the connection, says that it is ready, and then nothing any more. Fails where that has changed.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
npm init -y >/dev/null
npm install --silent --no-fund --no-audit pg@8.23.1
cat >seen.cjs <<'JS'
const { createServer } = require('node:net')
const pg = require('pg')

/** Of PostgreSQL's protocol: a type, a length that counts itself, a body. */
function message(type, body) {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}

// Nobody closes the other half of the connection in its place.
const server = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on('error', () => {})
  socket.once('data', () => {
    // AuthenticationOk, ReadyForQuery (idle).
    socket.write(Buffer.concat([message('R', Buffer.alloc(4)), message('Z', Buffer.from('I'))]))
  })
})

const settled = (promise) =>
  Promise.race([promise.then(() => 'resolved'), new Promise((resolve) => setTimeout(resolve, 5000, 'waits'))])

server.listen(0, '127.0.0.1', async () => {
  const config = {
    ...{ host: '127.0.0.1', port: server.address().port, user: 'user', database: 'database', ssl: false },
    ...{ connectionTimeoutMillis: 500, query_timeout: 500, statement_timeout: 500, keepAlive: true },
  }
  const client = new pg.Client(config)
  await client.connect()
  const pool = new pg.Pool(config)
  ;(await pool.connect()).release()
  const [ofClient, ofPool] = await Promise.all([settled(client.end()), settled(pool.end())])
  console.log(`client.end() ${ofClient}, pool.end() ${ofPool}`)
  process.exit(0)
})
JS
seen=$(node seen.cjs)
echo "after 5 s: $seen"
[ "$seen" = 'client.end() waits, pool.end() resolved' ]
