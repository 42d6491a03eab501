// A Postgres for parts of the bench that share one, run by processes.ts in a process of its own: its directory in, its
// address out.
import { EmbeddedPostgres } from '../../src/platform/embedded-postgres/server.ts'

const postgres = new EmbeddedPostgres(process.argv[2] ?? '', (message) => {
  throw new Error(message)
})
process.on('SIGTERM', () => void postgres.stop().then(() => process.exit(0)))
await postgres.start()
process.stdout.write(`${postgres.connectionString}\n`)
setInterval(() => {}, 60_000)
