// Thread of MeasuredApp: sends requests, one after the other, and watches.
import { Agent, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { parentPort, workerData } from 'node:worker_threads'
import type { Asked } from './measured-app.ts'
import { Watcher } from './watching.ts'

/** What the thread is told to do. It answers each with a message. */
export type Order =
  | ({ readonly order: 'post' } & AskedOnce)
  | { readonly order: 'connect' | 'close' }
  | { readonly order: 'begin'; readonly subscriptions: readonly Asked[]; readonly events: number }
  | { readonly order: 'watch'; readonly ms: number }

export interface AskedOnce {
  readonly bodies: readonly string[]
  readonly times: number
  readonly contentType: string
}

/** The last answer. */
export interface Told {
  readonly status: number
  readonly bytes: number
  /** As the answer tells them; null: it does not. */
  readonly points: number | null
  readonly errors: readonly string[]
  readonly text: string
  /** Of an answer that is not long. */
  readonly whole: string
}

const url = workerData as string
const agent = new Agent({ keepAlive: true })

function post(body: string, contentType: string): Promise<{ status: number; body: Buffer }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': contentType, 'content-length': Buffer.byteLength(body), 'x-cost': '1' }
    const asking = request(url, { method: 'POST', agent, headers }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: Buffer.concat(chunks) }))
      response.on('error', reject)
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

let watcher: Watcher | undefined

async function carryOut(order: Order): Promise<unknown> {
  switch (order.order) {
    case 'post':
      return tellOf(order)
    case 'connect':
      watcher = await Watcher.open(url.replace('http', 'ws'))
      return null
    case 'begin':
      return await watcher?.begin(order.subscriptions, order.events)
    case 'watch': {
      const before = watcher?.events ?? 0
      await sleep(order.ms)
      return (watcher?.events ?? 0) - before
    }
    case 'close':
      return (await watcher?.close()) ?? null
  }
}

async function tellOf({ bodies, times, contentType }: AskedOnce): Promise<Told> {
  let answer: Awaited<ReturnType<typeof post>> = { status: 0, body: Buffer.alloc(0) }
  for (let i = 0; i < times; i++) for (const body of bodies) answer = await post(body, contentType)
  const text = answer.body.toString()
  const points = /"extensions":\{"cost":\{"points":(\d+)/.exec(text.slice(-200))?.[1]
  const errors = [...text.slice(0, 3000).matchAll(/"message":"([^"]*)"/g)].map(([, message = '']) => message)
  return {
    status: answer.status,
    bytes: answer.body.length,
    points: points === undefined ? null : Number(points),
    errors: text.startsWith('{"errors"') || text.includes('"errors":[') ? errors.slice(0, 3) : [],
    text: text.slice(0, 2000),
    whole: text.length < 100_000 ? text : '',
  }
}

parentPort?.on('message', async (order: Order) => parentPort?.postMessage(await carryOut(order)))
