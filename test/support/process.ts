import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface ServerProcess extends AsyncDisposable {
  readonly api: string
  readonly metrics: string
  readonly pid: number
  /** Everything that it has written to standard output and standard error so far. */
  readonly stdout: () => string
  readonly stderr: () => string
  kill(signal: NodeJS.Signals): void
  /** Its exit code, or the signal that ended it. */
  readonly exited: Promise<number | NodeJS.Signals>
}

/** Runs src/main.ts as npm start does, and resolves when it has started. Rejects with its output if it ends before. */
export async function startProcess(args: string[], environment: Record<string, string>): Promise<ServerProcess> {
  const run = runProcess(args, { PORT: '0', METRICS_PORT: '0', DRAIN_SECONDS: '0', ...environment })
  const started = new Promise<{ api: string | null; metrics: string }>((resolve) => {
    const lines = createInterface({ input: run.child.stderr as NodeJS.ReadableStream })
    lines.on('line', (line) => {
      if (line.startsWith('{') && line.includes('"msg":"started"')) resolve(JSON.parse(line))
    })
  })
  const ended = run.exited.then((code) => {
    throw new Error(`the server ended before it had started (${code}):\n${run.stderr()}`)
  })
  const { api, metrics } = await Promise.race([started, ended])
  ended.catch(() => {})
  const { child, exited, stdout, stderr } = run
  return {
    api: api ?? '',
    metrics,
    pid: child.pid ?? 0,
    stdout,
    stderr,
    exited,
    kill: (signal) => child.kill(signal),
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGTERM')
      await exited
    },
  }
}

/** Runs src/main.ts to its end, or until it is killed. */
export function runProcess(
  args: string[],
  environment: Record<string, string>,
): { child: ChildProcess; exited: Promise<number | NodeJS.Signals>; stdout: () => string; stderr: () => string } {
  const child = spawn(process.execPath, ['src/main.ts', ...args], {
    cwd: root,
    env: {
      PATH: process.env.PATH ?? '',
      HOME: process.env.HOME ?? '',
      NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? '',
      ...environment,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  const exited = once(child, 'close').then(([code, signal]) => (code ?? signal) as number | NodeJS.Signals)
  return { child, exited, stdout: () => out, stderr: () => err }
}
