import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { postgresAccount } from '../../../src/platform/embedded-postgres/account.ts'
import { eventually } from '../clients/client.ts'

export const hasPgBouncer = spawnSync('pgbouncer', ['--version']).status === 0

export interface PgBouncer extends AsyncDisposable {
  /** The address of a database through it. */
  through(url: string): string
}

/** Debian's PgBouncer in front of a Postgres that is named by its address. It refuses to run as root. */
export async function startPgBouncer(
  url: string,
  mode: 'session' | 'transaction' | 'statement',
  settings: Readonly<Record<string, string | number>> = {},
): Promise<PgBouncer> {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-pgbouncer-'))
  const account = postgresAccount(directory)
  const port = await freePort()
  const socketDirectory = decodeURIComponent(/host=([^&]+)/.exec(url)?.[1] ?? '')
  const lines = Object.entries({
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    pool_mode: mode,
    max_client_conn: 500,
    default_pool_size: 60,
    ...settings,
  }).map(([name, value]) => `${name} = ${value}`)
  const file = join(directory, 'pgbouncer.ini')
  writeFileSync(file, `[databases]\n* = host=${socketDirectory} user=postgres\n[pgbouncer]\n${lines.join('\n')}\n`)
  chmodSync(directory, 0o755)
  if (account) chownSync(directory, account.uid, account.gid)
  const user = account ? [`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups'] : []
  const bouncer = spawn('setpriv', [...user, '--pdeathsig=INT', '--', 'pgbouncer', file], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  for (const output of [bouncer.stdout, bouncer.stderr]) output.on('data', (chunk) => (log += chunk))
  await eventually(() => {
    if (bouncer.exitCode !== null) throw new Error(`PgBouncer has ended: ${log}`)
    return log.includes('listening on')
  }, 'PgBouncer listens')
  return {
    through: (url) => url.replace(/^postgresql:\/\/(\w+)@\/(\w+)\?.*$/, `postgresql://$1@127.0.0.1:${port}/$2`),
    [Symbol.asyncDispose]: async () => {
      if (bouncer.exitCode !== null || bouncer.signalCode !== null) {
        throw new Error(
          `PgBouncer had ended by itself (${bouncer.signalCode ?? bouncer.exitCode}): ${log.slice(-2000)}`,
        )
      }
      const exited = once(bouncer, 'exit')
      // Its immediate shutdown.
      bouncer.kill('SIGTERM')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
