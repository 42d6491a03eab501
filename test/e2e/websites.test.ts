import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { startApp, type TestApp } from '../support/app.ts'
import { launchChromium, noChromium as skip } from '../support/chromium.ts'
import { eventually, metric } from '../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database/database.ts'
import { noNginx, startNginx } from '../support/nginx.ts'

const names = ['localhost', 'evil.test', 'finstage.test', 'app.test']

let database: TestDatabase
let app: TestApp
let browser: Browser
/** Pages of another website: blank, under whatever name they are asked for. */
let website: Server
let port: number

before(async () => {
  if (skip) return
  database = await createTestDatabase()
  app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
  website = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>another website</title>')
  }).listen(0, '127.0.0.1')
  await once(website, 'listening')
  port = (website.address() as AddressInfo).port
  browser = await launchChromium(names)
})

after(async () => {
  await browser?.close()
  website?.close()
  await app?.stop()
  await database?.[Symbol.asyncDispose]()
})

const mutation =
  'mutation { enqueueAnalysis(input: { symbols: ["AAPL"] }) { ... on EnqueuePayload { job { id } } ... on InvalidInput { message } } }'
const prices = 'subscription { priceUpdates(symbols: ["AAPL"]) { symbol } }'

const jobs = async (): Promise<number> => {
  const [row] = await database.query<{ count: number }>('SELECT count(*)::int AS count FROM finstage.jobs')
  return row?.count ?? 0
}

async function openPage(url: string): Promise<Page> {
  const page = await browser.newPage()
  page.setDefaultTimeout(20_000)
  await page.goto(url)
  return page
}

interface Target {
  readonly api: string
  readonly mutation: string
  readonly prices: string
}

/** What a page that wants in would try. Says of each attempt whether the page has got anything out of it. */
const attempts: Readonly<Record<string, (target: Target) => Promise<boolean>>> = {
  'fetch of JSON': async ({ api, mutation }) => {
    const init = { method: 'POST', headers: { 'content-type': 'application/json' } }
    const response = await fetch(`${api}/graphql`, { ...init, body: JSON.stringify({ query: mutation }) }).catch(
      () => null,
    )
    return response?.status === 200
  },
  'fetch of JSON with credentials': async ({ api, mutation }) => {
    const init: RequestInit = {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      credentials: 'include',
    }
    const response = await fetch(`${api}/graphql`, { ...init, body: JSON.stringify({ query: mutation }) }).catch(
      () => null,
    )
    return response?.status === 200
  },
  'fetch by GET': async ({ api }) => {
    const response = await fetch(`${api}/graphql?query={__typename}`).catch(() => null)
    return response?.status === 200
  },
  WebSocket: ({ api }) =>
    new Promise((resolve) => {
      const socket = new WebSocket(`${api.replace('http', 'ws')}/graphql`, 'graphql-transport-ws')
      socket.onopen = () => resolve(true)
      socket.onclose = () => resolve(false)
    }),
  EventSource: ({ api, prices }) =>
    new Promise((resolve) => {
      const source = new EventSource(`${api}/graphql?query=${encodeURIComponent(prices)}`)
      source.addEventListener('next', () => {
        source.close()
        resolve(true)
      })
      source.onerror = () => {
        source.close()
        resolve(false)
      }
    }),
}

/** What a page sends blindly: it is told nothing of what came of it. */
const blindAttempts: Readonly<Record<string, (target: Target) => Promise<unknown> | undefined>> = {
  'a form as text': async ({ api, mutation }) => {
    const form = document.createElement('form')
    Object.assign(form, { method: 'POST', action: `${api}/graphql`, enctype: 'text/plain' })
    const field = document.createElement('input')
    Object.assign(field, { name: `{"query":${JSON.stringify(mutation)},"extensions":{"x":"`, value: '"}}' })
    form.append(field)
    const frame = document.createElement('iframe')
    frame.name = form.target = 'text'
    document.body.append(frame, form)
    form.submit()
  },
  'a form': async ({ api, mutation }) => {
    for (const enctype of ['application/x-www-form-urlencoded', 'multipart/form-data']) {
      const form = document.createElement('form')
      Object.assign(form, { method: 'POST', action: `${api}/graphql`, enctype })
      for (const name of ['query', 'operations']) {
        const field = document.createElement('input')
        Object.assign(field, { name, value: name === 'query' ? mutation : JSON.stringify({ query: mutation }) })
        form.append(field)
      }
      const frame = document.createElement('iframe')
      frame.name = form.target = enctype
      document.body.append(frame, form)
      form.submit()
    }
  },
  'fetch without CORS': async ({ api, mutation, prices }) => {
    const body = JSON.stringify({ query: mutation })
    const init: RequestInit = { mode: 'no-cors', method: 'POST' }
    await fetch(`${api}/graphql`, { ...init, body }).catch(() => {})
    await fetch(`${api}/graphql`, { ...init, body: new Blob([body]) }).catch(() => {})
    await fetch(`${api}/graphql`, { ...init, body: new URLSearchParams({ query: mutation }) }).catch(() => {})
    const get: RequestInit = { mode: 'no-cors', headers: { accept: 'text/event-stream' } }
    for (const query of [mutation, prices, '{ quote(symbol: "AAPL") { price } }']) {
      await fetch(`${api}/graphql?query=${encodeURIComponent(query)}`, get).catch(() => {})
    }
  },
  'a beacon': async ({ api, mutation }) => {
    const body = JSON.stringify({ query: mutation })
    for (const type of ['application/json', 'text/plain']) {
      navigator.sendBeacon(`${api}/graphql`, new Blob([body], { type }))
    }
  },
  'an image, a script, a frame': async ({ api }) => {
    const url = `${api}/graphql?query=${encodeURIComponent('{ quote(symbol: "AAPL") { price } }')}`
    for (const name of ['img', 'script', 'iframe'] as const) {
      document.body.append(Object.assign(document.createElement(name), { src: url }))
    }
  },
}

/** Operations that were executed or refused as such, by whichever way they came. */
async function operations(): Promise<number> {
  const text = await (await fetch(`${app.metrics}/metrics`)).text()
  const counts = [...text.matchAll(/^finstage_requests_total\{.*\} (\d+)$/gm)]
  return counts.reduce((sum, [, count]) => sum + Number(count), 0)
}

const refused = async (): Promise<number> =>
  (await metric(app.metrics, 'finstage_http_refused_total', 'reason="origin"')) +
  (await metric(app.metrics, 'finstage_http_refused_total', 'reason="content_type"'))

test('a page of another website gets in by nothing: not by forms, fetch, beacons, images, frames, WebSocket or EventSource', {
  skip,
}, async () => {
  const page = await openPage(`http://evil.test:${port}/`)
  const target: Target = { api: app.api, mutation, prices }
  const before = [await jobs(), await operations(), await refused()] as const
  for (const [name, attempt] of Object.entries(attempts)) {
    assert.equal(await page.evaluate(attempt, target), false, name)
  }
  let least = before[2] + Object.keys(attempts).length
  for (const [name, attempt] of Object.entries(blindAttempts)) {
    await page.evaluate(attempt as (target: Target) => Promise<unknown>, target)
    least++
    await eventually(async () => (await refused()) >= least, `${name} has arrived and is refused`)
  }
  assert.equal(await operations(), before[1], 'none was read as an operation')
  assert.equal(await jobs(), before[0])
  assert.equal(await metric(app.metrics, 'finstage_live_connections'), 0)
  await page.close()
})

test('nor does it frame GraphiQL', { skip }, async () => {
  const page = await openPage(`http://evil.test:${port}/`)
  await page.evaluate((url) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src: url }))
  }, `${app.api}/graphql`)
  await eventually(() => page.frames().length === 2, 'the frame')
  const frame = page.frames()[1]
  await eventually(() => frame?.url().startsWith('chrome-error:') ?? false, 'that the browser refuses to show it')
  await page.close()
})

test('a website whose name is made to lead to the server gets nothing out of it', { skip }, async () => {
  const rebound = app.api.replace('127.0.0.1', 'evil.test')
  const page = await browser.newPage()
  const response = await page.goto(`${rebound}/graphql`)
  assert.equal(response?.status(), 421)
  const before = [await jobs(), await operations()] as const
  for (const [name, attempt] of Object.entries(attempts)) {
    assert.equal(await page.evaluate(attempt, { api: rebound, mutation, prices }), false, name)
  }
  const statuses = await page.evaluate(
    (paths) => Promise.all(paths.map(async (path) => (await fetch(path)).status)),
    ['/readyz', '/healthz', '/graphql?query={__typename}'],
  )
  assert.deepEqual(statuses, [421, 421, 421])
  assert.deepEqual([await jobs(), await operations()], before)
  await page.close()
})

test('a page of this machine gets in by CORS, WebSocket and EventSource, so these are ways in, but not with credentials', {
  skip,
}, async () => {
  const page = await openPage(`http://localhost:${port}/`)
  const before = await jobs()
  const got: string[] = []
  for (const [name, attempt] of Object.entries(attempts)) {
    if (await page.evaluate(attempt, { api: app.api, mutation, prices })) got.push(name)
  }
  assert.deepEqual(got, ['fetch of JSON', 'fetch by GET', 'WebSocket', 'EventSource'])
  assert.ok((await jobs()) > before)
  await page.close()
})

const proxied: readonly (readonly [string, (origin: string) => Record<string, string>, string])[] = [
  [
    'that passes its name on, with ALLOWED_HOSTS',
    () => ({ ALLOWED_HOSTS: 'finstage.test', TRUST_PROXY: '127.0.0.1' }),
    'proxy_set_header Host $http_host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;',
  ],
  [
    'that asks by another name, as nginx does by itself, with ALLOWED_ORIGINS',
    (origin) => ({ ALLOWED_ORIGINS: origin }),
    '',
  ],
]

for (const [what, settingsOf, header] of proxied) {
  test(`GraphiQL works behind a reverse proxy ${what}: queries, and live prices over WebSocket`, {
    skip: skip || noNginx,
  }, async () => {
    await using stack = new AsyncDisposableStack()
    let origin = ''
    stack.use(
      await startNginx(async (port) => {
        origin = `http://finstage.test:${port}`
        const settings = { DATABASE_URL: database.url, MARKET_SOURCE: 'simulated', ...settingsOf(origin) }
        const server = stack.use(await startApp(settings))
        return `
          server { listen 127.0.0.1:${port}; location / {
            proxy_pass ${server.api}; proxy_http_version 1.1; ${header}
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection "upgrade";
          } }`
      }),
    )
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } })
    page.setDefaultTimeout(20_000)
    const complaints: string[] = []
    page.on('pageerror', (error) => complaints.push(error.message))
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text())
    })
    const events: string[] = []
    page.on('websocket', (socket) => socket.on('framereceived', ({ payload }) => events.push(String(payload))))
    const response = await page.goto(`${origin}/graphql`)
    assert.equal(response?.status(), 200)
    const run = async (operation: string): Promise<void> => {
      const line = page.locator('.graphiql-query-editor .view-line', { hasText: operation })
      await line.click({ position: { x: 40, y: 10 } })
      await page.keyboard.press('Control+Enter')
    }
    const answered = page.waitForResponse((answer) => answer.request().postData()?.includes('"Quotes"') ?? false)
    await run('query Quotes')
    assert.match(await (await answered).text(), /^\{"data":\{"quotes":\[\{/)
    await run('subscription LivePrices')
    await eventually(() => events.some((event) => event.includes('"kind":"TICK"')), 'a live price')
    assert.deepEqual(complaints, [])
    await page.close()
  })
}
