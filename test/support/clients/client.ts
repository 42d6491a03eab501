import { type Client, createClient } from 'graphql-ws'

export interface Answer<Data> {
  readonly data?: Data | null
  readonly errors?: readonly {
    readonly message: string
    readonly path?: readonly (string | number)[]
    readonly extensions: { readonly code: string } & Record<string, unknown>
  }[]
}

/** One operation over HTTP. */
export async function post<Data = Record<string, unknown>>(
  api: string,
  query: string,
  variables?: Record<string, unknown>,
): Promise<Answer<Data>> {
  const response = await fetch(`${api}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  })
  return (await response.json()) as Answer<Data>
}

/** One query or mutation over WebSocket. */
export async function ask<Data = Record<string, unknown>>(
  api: string,
  query: string,
  variables?: Record<string, unknown>,
): Promise<Answer<Data>> {
  await using stream = subscribe<Data>(api, query, variables)
  return await stream.next()
}

export interface Stream<Data> extends AsyncDisposable {
  /** The next answer; rejects where the stream ends, or none comes in time. */
  next(): Promise<Answer<Data>>
  /** Reads until one fits. */
  until(fits: (data: Data) => boolean): Promise<Data>
  /** Resolves when the server has completed the operation. */
  readonly completed: Promise<void>
  /** Unsubscribes and closes the socket. */
  close(): Promise<void>
}

const patienceMs = 20_000

/** An operation over graphql-ws. */
export function subscribe<Data = Record<string, unknown>>(
  api: string,
  query: string,
  variables?: Record<string, unknown>,
): Stream<Data> {
  const client: Client = createClient({ url: `${api.replace('http', 'ws')}/graphql`, retryAttempts: 0 })
  const answers = client.iterate<Data>({ query, ...(variables ? { variables } : {}) })
  const completed = Promise.withResolvers<void>()
  completed.promise.catch(() => {})
  const close = async (): Promise<void> => {
    await answers.return?.()
    await client.dispose()
  }
  const next = async (): Promise<Answer<Data>> => {
    const { value, done } = await inTime(answers.next(), 'an answer').catch((errors: unknown) => {
      // What the protocol tells in a message of its own: the operation was refused.
      if (Array.isArray(errors)) return { value: { errors }, done: false }
      throw errors
    })
    if (done) {
      completed.resolve()
      throw new Error('the stream has ended')
    }
    return value as Answer<Data>
  }
  return {
    next,
    async until(fits) {
      for (;;) {
        const { data, errors } = await next()
        if (errors) throw new Error(JSON.stringify(errors))
        if (data && fits(data)) return data
      }
    },
    completed: completed.promise,
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** Rejects where a promise has not settled in time. */
export function inTime<T>(promise: Promise<T>, what: string, withinMs = patienceMs): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not come within ${withinMs / 1000} s`)), withinMs)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Waits until a condition holds; rejects when the time is over, with what `what` says by then. */
export async function eventually(
  holds: () => boolean | Promise<boolean>,
  what: string | (() => string | Promise<string>),
  withinMs = patienceMs,
): Promise<void> {
  const deadlineMs = performance.now() + withinMs
  let pauseMs = 20
  while (!(await holds())) {
    if (performance.now() > deadlineMs) {
      throw new Error(`${typeof what === 'string' ? what : await what()}: not within ${withinMs / 1000} s`)
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs))
    // Looks less often at what takes long: each look costs CPU.
    pauseMs = Math.min(100, pauseMs * 1.1)
  }
}

/** The value of one series in Prometheus text; 0 where it is not there. `labels` as written: type="Query",field="quote". */
export async function metric(metrics: string, name: string, labels = ''): Promise<number> {
  const text = await (await fetch(`${metrics}/metrics`)).text()
  const series = labels ? `${name}{${labels}}` : name
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `))
  return line ? Number(line.slice(series.length + 1)) : 0
}
