import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ErrorCode, errorCodes } from '../../../src/domain/errors.ts'
import { RawClient } from '../clients/raw-client.ts'
import type { GeneratedOperation } from './operations.ts'

export const transports = ['POST', 'GET', 'SSE', 'WebSocket'] as const
export type Transport = (typeof transports)[number]

/** How long an answer is waited for; of a subscription, the first event. */
const patienceMs = 60_000
const firstEventMs = 1500
/** Longer ones are refused by Node before anybody reads them. */
const longestUrl = 12_000
/** In one answer. */
const mostErrors = 100
/** Linux counts CPU time in hundredths of a second for programs. */
const ticksPerSecond = 100

const codes: ReadonlySet<unknown> = new Set<ErrorCode>(errorCodes)

/** CPU time that a process has used with all of its threads, in seconds. */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name before it may hold spaces and brackets. Of what follows, utime and stime are fields 14 and 15 of the whole.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

/** What an operation was answered. */
export interface Verdict {
  /** null: nothing is wrong. */
  readonly fault: string | null
  readonly hasData: boolean
}

const wrong = (fault: string): Verdict => ({ fault, hasData: false })
const fine: Verdict = { fault: null, hasData: false }

/** Asks by a transport, and judges the answer; of a subscription, its first event. */
export async function ask(api: string, transport: Transport, operation: GeneratedOperation): Promise<Verdict> {
  const late = sleep(patienceMs, wrong(`no answer within ${patienceMs / 1000} s`), { ref: false })
  return Promise.race([answerOf(api, transport, operation), late])
}

async function answerOf(api: string, transport: Transport, operation: GeneratedOperation): Promise<Verdict> {
  const isSubscription = operation.query.startsWith('subscription')
  if (transport === 'WebSocket') return overWebSocket(api, operation, isSubscription)
  const url = `${api}/graphql?${new URLSearchParams({ query: operation.query, variables: JSON.stringify(operation.variables) })}`
  const isGet = transport === 'GET' && url.length <= longestUrl
  const isStream = transport === 'SSE' || isSubscription
  const headers = { accept: isStream ? 'text/event-stream' : 'application/json', 'content-type': 'application/json' }
  const end = new AbortController()
  const response = await fetch(isGet ? url : `${api}/graphql`, {
    ...(isGet ? {} : { method: 'POST', body: JSON.stringify(operation) }),
    headers,
    signal: end.signal,
  })
  const text = response.headers.get('content-type')?.startsWith('text/event-stream')
    ? firstEvent(response)
    : response.text()
  const read = await Promise.race([text, ...(isSubscription ? [quiet()] : [])])
  end.abort()
  if (response.status >= 500 && response.status !== 503)
    return wrong(`status ${response.status}: ${read?.slice(0, 300)}`)
  return read === null ? fine : verdictOn(read)
}

/** The data of the first event; null: there was none. */
async function firstEvent(response: Response): Promise<string | null> {
  const parts: string[] = []
  const decoder = new TextDecoder()
  try {
    for await (const chunk of response.body ?? []) {
      parts.push(decoder.decode(chunk, { stream: true }))
      // An event ends with an empty line; comments and what says that a stream is complete are events, too.
      if (!parts.at(-1)?.endsWith('\n')) continue
      const data = /^data: (.+)$/m.exec(parts.join(''))?.[1]
      if (data) return data
    }
  } catch (error) {
    if (!(error instanceof DOMException)) throw error
  }
  return null
}

async function overWebSocket(
  api: string,
  { query, variables }: GeneratedOperation,
  isSubscription: boolean,
): Promise<Verdict> {
  const first = Promise.withResolvers<Verdict>()
  await using client = await RawClient.open(api, ({ type, payload }) => {
    if (type === 'next') first.resolve(verdictOn(JSON.stringify(payload)))
    else if (type === 'error') first.resolve(verdictOn(JSON.stringify({ errors: payload })))
    else if (type === 'complete') first.resolve(fine)
  })
  client.subscribe('1', query, variables)
  // Too long a message is refused so.
  const closed = client.closed.then((code) => (code === 1009 ? fine : wrong(`closed with ${code}`)))
  const nothing = quiet().then(() => fine)
  return await Promise.race([first.promise, closed, ...(isSubscription ? [nothing] : [])])
}

/** A subscription may have nothing to tell for long. */
const quiet = (): Promise<null> => sleep(firstEventMs, null)

function verdictOn(text: string): Verdict {
  let answer: { readonly data?: unknown; readonly errors?: unknown }
  try {
    answer = JSON.parse(text) as typeof answer
  } catch {
    return wrong(`no JSON: ${text.slice(0, 300)}`)
  }
  const { data, errors } = answer
  if (errors === undefined && data === undefined) return wrong(`neither data nor errors: ${text.slice(0, 300)}`)
  const fault = errors === undefined ? null : faultIn(errors)
  return { fault: fault && `${fault}: ${JSON.stringify(errors).slice(0, 300)}`, hasData: data != null }
}

function faultIn(errors: unknown): string | null {
  if (!Array.isArray(errors) || errors.length === 0) return 'errors are no list'
  if (errors.length > mostErrors) return `${errors.length} errors in one answer`
  for (const { message, extensions } of errors as { message?: unknown; extensions?: { code?: unknown } }[]) {
    if (typeof message !== 'string' || !codes.has(extensions?.code)) return 'an error without a code'
    if (extensions?.code === 'INTERNAL') return 'INTERNAL'
  }
  return null
}
