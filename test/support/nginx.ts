import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { eventually } from './clients/client.ts'

const program = '/usr/sbin/nginx'

/** For a test's `skip`. */
export const noNginx = existsSync(program) ? false : `there is no nginx at ${program}: install Debian's package nginx`

export interface Nginx extends AsyncDisposable {
  /** http://127.0.0.1:port */
  readonly url: string
}

/** nginx with the settings that Debian ships. `http` is what the user would add to them, for a server that listens on the port. */
export async function startNginx(http: (port: number) => string | Promise<string>): Promise<Nginx> {
  const directory = mkdtempSync(join(tmpdir(), 'finstage-nginx-'))
  const port = await freePort()
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const added = await http(port)
  const settings = `
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    worker_processes 2;
    pid ${directory}/pid;
    error_log ${directory}/error.log;
    events { worker_connections 768; }
    http {
      sendfile on;
      tcp_nopush on;
      types_hash_max_size 2048;
      gzip on;
      access_log off;
      ${temporary.map((name) => `${name}_temp_path ${directory}/${name};`).join(' ')}
      ${added}
    }`
  writeFileSync(join(directory, 'nginx.conf'), settings)
  const arguments_ = ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', join(directory, 'error.log')]
  const nginx: ChildProcess = spawn(program, [...arguments_, '-g', 'daemon off;'], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(nginx, 'exit')
  await eventually(() => answers(port), 'nginx listens')
  return {
    url: `http://127.0.0.1:${port}`,
    [Symbol.asyncDispose]: async () => {
      nginx.kill('SIGTERM')
      await exited
      rmSync(directory, { recursive: true, force: true })
    },
  }
}

/** nginx can't be told to choose one. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  const connected = await once(socket, 'connect').then(
    () => true,
    () => false,
  )
  socket.destroy()
  return connected
}
