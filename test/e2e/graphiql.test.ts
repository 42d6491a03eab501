import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, type TestContext, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { startApp, type TestApp } from '../support/app.ts'
import { launchChromium, noChromium as skip } from '../support/chromium.ts'
import { eventually, metric } from '../support/clients/client.ts'
import { createTestDatabase, type TestDatabase } from '../support/database/database.ts'

let database: TestDatabase
let app: TestApp
let browser: Browser
let page: Page
let screenshots: string

/** What the page asked for, what it sent and got over WebSockets, and what it complained of. */
const requests: string[] = []
const frames: { readonly way: 'sent' | 'received'; readonly message: Message }[] = []
const complaints: string[] = []

interface Message {
  readonly type: string
  readonly payload?: { readonly data?: { readonly priceUpdates?: Update } }
}

interface Update {
  readonly kind: string
  readonly symbol: string
  readonly price: number
  readonly seq: number
}

before(async () => {
  if (skip) return
  screenshots = mkdtempSync(join(tmpdir(), 'finstage-graphiql-'))
  database = await createTestDatabase()
  app = await startApp({ DATABASE_URL: database.url, MARKET_SOURCE: 'simulated' })
  browser = await launchChromium()
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } })
  context.on('request', (request) => requests.push(request.url()))
  page = await context.newPage()
  page.setDefaultTimeout(20_000)
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text())
  })
  page.on('websocket', (socket) => {
    requests.push(socket.url())
    const record = (way: 'sent' | 'received') => (frame: { payload: string | Buffer }) => {
      frames.push({ way, message: JSON.parse(frame.payload.toString()) })
    }
    socket.on('framesent', record('sent'))
    socket.on('framereceived', record('received'))
  })
})

after(async () => {
  await browser?.close()
  await app?.stop()
  await database?.[Symbol.asyncDispose]()
})

const editor = () => page.locator('.graphiql-query-editor')

/** What stands in the result, as far as it is in view. */
const result = async (): Promise<string> =>
  (await page.locator('.result-window .view-line').allInnerTexts()).join('\n').replaceAll('\u00a0', ' ')

/** Puts the cursor into an operation and presses Ctrl-Enter. */
async function run(operation: string): Promise<void> {
  await editor()
    .locator('.view-line', { hasText: operation })
    .click({ position: { x: 40, y: 10 } })
  await page.keyboard.press('Control+Enter')
}

async function screenshot(t: TestContext, name: string): Promise<void> {
  const path = join(screenshots, `${name}.png`)
  await page.screenshot({ path })
  t.diagnostic(`screenshot: ${path}`)
}

/** Of live prices, as they came over the WebSocket. */
const updates = (): Update[] =>
  frames.flatMap(({ way, message }) => {
    const update = way === 'received' && message.type === 'next' ? message.payload?.data?.priceUpdates : undefined
    return update ? [update] : []
  })

test('GraphiQL comes compressed and opens with the example operations', { skip }, async (t) => {
  const response = await page.goto(`${app.api}/graphql`)
  assert.equal(response?.status(), 200)
  const headers = (await response?.allHeaders()) ?? {}
  assert.match(headers['content-encoding'] ?? 'none', /^(br|gzip|zstd)$/)
  assert.ok(Number(headers['content-length']) < ((await response?.body())?.length ?? 0) / 3)
  await editor().getByText('Welcome to Finstage').waitFor()
  const text = ((await editor().textContent()) ?? '').replaceAll('\u00a0', ' ')
  for (const operation of ['query Quotes', 'query Chart', 'subscription LivePrices'])
    assert.ok(text.includes(operation))
  await screenshot(t, 'opened')
})

test('the Quotes example, run from the page, shows prices', { skip }, async (t) => {
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('"Quotes"') ?? false)
  await run('query Quotes')
  const { data } = (await (await answered).json()) as { data: { quotes: { symbol: string; price: number }[] } }
  assert.deepEqual(
    data.quotes.map(({ symbol }) => symbol),
    ['AAPL', 'MSFT', 'BTC-USD'],
  )
  await eventually(async () => (await result()).includes('"BTC-USD"'), 'the result')
  const shown = await result()
  for (const { symbol, price } of data.quotes) {
    assert.ok(price > 0)
    assert.ok(shown.includes(`"symbol": "${symbol}"`))
    assert.ok(shown.includes(`"price": ${price}`), shown)
  }
  assert.ok(shown.includes('"source": "SIMULATED"'))
  await screenshot(t, 'quotes')
})

test('the LivePrices example shows price after price, over graphql-transport-ws, until it is stopped', {
  skip,
}, async (t) => {
  await run('subscription LivePrices')
  const ticks = new Set<string>()
  await eventually(async () => {
    const [, symbol, seq] = /"kind": "TICK",\s+"symbol": "(.+)",[^}]+"seq": (\d+)/.exec(await result()) ?? []
    if (symbol) ticks.add(`${symbol} ${seq}`)
    return ticks.size >= 3
  }, 'three ticks in the result')
  await screenshot(t, 'live-prices')
  assert.deepEqual(
    frames.slice(0, 3).map(({ way, message }) => `${way} ${message.type}`),
    ['sent connection_init', 'received connection_ack', 'sent subscribe'],
  )
  const bySymbol = Map.groupBy(updates(), ({ symbol }) => symbol)
  assert.deepEqual([...bySymbol.keys()].sort(), ['AAPL', 'BTC-USD'])
  for (const [symbol, [first, ...further]] of bySymbol) {
    assert.equal(first?.kind, 'SNAPSHOT', symbol)
    assert.deepEqual(
      further.map(({ seq }) => seq),
      further.map((_, i) => (first?.seq ?? 0) + 1 + i),
    )
  }
  await page.keyboard.press('Control+Enter')
  await eventually(() => frames.some(({ way, message }) => way === 'sent' && message.type === 'complete'), 'the stop')
  await eventually(async () => (await metric(app.metrics, 'finstage_price_subscriptions')) === 0, 'nothing left')
})

test('in all of this the page asked no other host for anything, and complained of nothing', { skip }, () => {
  const { host } = new URL(app.api)
  assert.ok(requests.includes(`http://${host}/graphql`) && requests.includes(`ws://${host}/graphql`))
  const elsewhere = requests.filter((url) => !/^(data|blob):/.test(url) && new URL(url).host !== host)
  assert.deepEqual(elsewhere, [])
  assert.deepEqual(complaints, [])
})
