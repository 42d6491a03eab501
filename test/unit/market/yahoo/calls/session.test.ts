import assert from 'node:assert/strict'
import { test } from 'node:test'
import { yahooSession } from '../../../../../src/market/yahoo/calls/session.ts'

interface Call {
  readonly url: string
  readonly cookie: string
}

/** Yahoo as far as a session needs it. Each time the page is asked for, the cookie and the crumb are others. */
function scriptedYahoo(answer: string, cookies: readonly string[] = []) {
  const calls: Call[] = []
  let pages = 0
  const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
    const url = new URL(String(input))
    calls.push({ url: url.href, cookie: new Headers(init?.headers).get('cookie') ?? '' })
    if (url.pathname === '/quote/AAPL') {
      pages += 1
      return new Response('', { headers: { 'set-cookie': `A3=page${pages}; Domain=.yahoo.com; Path=/; Secure` } })
    }
    if (url.pathname === '/v1/test/getcrumb') return new Response(`crumb${pages}`)
    const headers = new Headers({ date: 'Fri, 14 Feb 2025 14:30:00 GMT' })
    for (const cookie of cookies) headers.append('set-cookie', cookie)
    return new Response(answer, { headers })
  }
  return { fetch, calls }
}

const quoteUrl = 'https://query2.finance.yahoo.com/v7/finance/quote'

test('requests carry the cookie that came with the crumb, and the parameters as they are', async () => {
  const { fetch, calls } = scriptedYahoo('{"quoteResponse":{"result":[]}}')
  const session = yahooSession(fetch)
  assert.equal(await session.fetchCrumb(), 'crumb1', 'yahoo-finance2 no longer gives the crumb that Yahoo sends')
  const answer = await session.ask(quoteUrl, { symbols: 'BRK-B,^GSPC', crumb: 'a/b' })
  assert.deepEqual(answer, { body: { quoteResponse: { result: [] } }, saidAtMs: Date.UTC(2025, 1, 14, 14, 30) })
  assert.deepEqual(calls.at(-1), { url: `${quoteUrl}?symbols=BRK-B%2C%5EGSPC&crumb=a%2Fb`, cookie: 'A3=page1' })
})

test('a new session has a new cookie and a new crumb', async () => {
  const { fetch, calls } = scriptedYahoo('{}')
  assert.equal(await yahooSession(fetch).fetchCrumb(), 'crumb1')
  const session = yahooSession(fetch)
  assert.equal(await session.fetchCrumb(), 'crumb2')
  await session.ask(quoteUrl, {})
  assert.equal(calls.at(-1)?.cookie, 'A3=page2')
})

test('cookies of answers are sent from then on; one for a foreign domain is left out and does no harm', async () => {
  const { fetch, calls } = scriptedYahoo('{}', ['B=foreign; Domain=example.com', 'C=own; Domain=.yahoo.com'])
  const session = yahooSession(fetch)
  await session.ask(quoteUrl, {})
  await session.ask(quoteUrl, {})
  assert.deepEqual(
    calls.map(({ cookie }) => cookie),
    ['', 'C=own'],
  )
})

test('an error within an answer is a refusal with its code, and text that is no JSON is an error', async () => {
  const refusing = scriptedYahoo(
    '{"finance":{"result":null,"error":{"code":"Bad Request","description":"no symbols"}}}',
  )
  await assert.rejects(yahooSession(refusing.fetch).ask(quoteUrl, {}), { name: 'YahooRefusal', code: 'Bad Request' })
  const failing = scriptedYahoo('<html>sorry</html>')
  await assert.rejects(yahooSession(failing.fetch).ask(quoteUrl, {}), SyntaxError)
})
