import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const monitoring = join(import.meta.dirname, '../../monitoring')
const startTimeoutMs = 20_000

/** Addresses of metrics: of the processes that make up one deployment, and of others. */
export interface Targets {
  readonly finstage: readonly string[]
  readonly others: readonly string[]
}

export interface Watchers {
  /** Of Prometheus. */
  readonly url: string
  stop(): Promise<void>
}

/**
 * Prometheus and Alertmanager with the configurations of monitoring/, of which only addresses are changed: intervals,
 * windows and waits are those that are shipped. They listen on loopback only.
 */
export async function startWatchers(directory: string, targets: Targets, webhook: string): Promise<Watchers> {
  const [prometheusPort, alertmanagerPort] = [await freePort(), await freePort()]
  const children: ChildProcess[] = []
  const config = (name: string, changes: Readonly<Record<string, string>>): string => {
    let text = readFileSync(join(monitoring, name), 'utf8')
    for (const [from, to] of Object.entries(changes)) {
      if (!text.includes(from)) throw new Error(`monitoring/${name} no longer has ${from}`)
      text = text.replace(from, to)
    }
    const path = join(directory, name)
    writeFileSync(path, text)
    return path
  }
  const start = async (program: string, args: readonly string[], ready: string): Promise<void> => {
    const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    children.push(child)
    let said = ''
    child.stderr.on('data', (chunk) => {
      said = `${said}${chunk}`.slice(-4000)
    })
    child.on('error', (error) => {
      said = `${error.message}: apt-get install prometheus prometheus-alertmanager`
    })
    const untilMs = performance.now() + startTimeoutMs
    while (
      !(await fetch(ready).then(
        ({ ok }) => ok,
        () => false,
      ))
    ) {
      if (child.exitCode !== null || child.pid === undefined || performance.now() > untilMs) {
        throw new Error(`${program} did not start:\n${said}`)
      }
      await sleep(100)
    }
  }
  const stop = async (): Promise<void> => {
    await Promise.all(
      children.map(async (child) => {
        if (child.pid === undefined || child.exitCode !== null) return
        child.kill('SIGTERM')
        await once(child, 'exit')
      }),
    )
  }
  try {
    mkdirSync(directory, { recursive: true })
    const alertmanager = `127.0.0.1:${alertmanagerPort}`
    await start(
      'prometheus-alertmanager',
      [
        `--config.file=${config('alertmanager.yml', { 'http://127.0.0.1:9095/': webhook })}`,
        `--storage.path=${join(directory, 'alertmanager')}`,
        `--web.listen-address=${alertmanager}`,
        '--cluster.listen-address=',
        '--log.level=warn',
      ],
      `http://${alertmanager}/-/ready`,
    )
    const url = `http://127.0.0.1:${prometheusPort}`
    const path = config('prometheus.yml', {
      'rules/*.yml': join(monitoring, 'rules/*.yml'),
      '127.0.0.1:9093': alertmanager,
      '127.0.0.1:8001': targets.finstage.join('", "'),
    })
    for (const address of targets.others) {
      appendFileSync(path, `  - { job_name: another, static_configs: [{ targets: ['${address}'] }] }\n`)
    }
    await start(
      'prometheus',
      [
        `--config.file=${path}`,
        `--storage.tsdb.path=${join(directory, 'prometheus')}`,
        `--web.listen-address=127.0.0.1:${prometheusPort}`,
        '--log.level=warn',
      ],
      `${url}/-/ready`,
    )
    return { url, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

export async function freePort(): Promise<number> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}
