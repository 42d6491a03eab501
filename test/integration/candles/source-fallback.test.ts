import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { adjustments, type CandleRequest, type CandleSeries } from '../../../src/domain/candle.ts'
import { FinstageError, symbolNotFound } from '../../../src/domain/errors.ts'
import { intervals } from '../../../src/domain/time/interval.ts'
import { CandleService } from '../../../src/market/candles/service.ts'
import { createPool } from '../../../src/platform/database/pool.ts'
import { CandleStore } from '../../../src/store/candles/candle-store.ts'
import { type Model, modelSource } from '../../support/candles/model-market.ts'
import { createTestDatabase } from '../../support/database/database.ts'
import { silentLog } from '../../support/log.ts'

const database = await createTestDatabase()
const pool = createPool(database.url, silentLog)
const away = createPool('postgresql://nobody@127.0.0.1:1/none', silentLog)
after(async () => {
  await pool.end()
  await away.end()
  await database[Symbol.asyncDispose]()
})

const daySeconds = 86_400
const at = (iso: string): number => Date.parse(iso) / 1000
const today = at('2025-03-12T00:00:00Z') / daySeconds
const now = at('2025-03-12T15:00:30Z')

const model: Model = {
  ...{ timezone: 'America/New_York', opens: 34_200, closes: 57_600 },
  ...{ firstDay: today - 300, lastDay: today + 60, holidays: new Set(), halfDays: new Set() },
  splits: [{ day: today - 12, ratio: 4 }],
  dividends: [{ day: today - 5, share: 0.01 }],
  ...{ delaySeconds: 0, seed: 7 },
}

interface House {
  readonly source: ReturnType<typeof modelSource>
  readonly service: CandleService
  now: number
}

function house(store: CandleStore): House {
  const source = modelSource(model, () => set.now)
  const set: House = { source, service: new CandleService({ source, store, now: () => set.now * 1000 }), now }
  return set
}

const requestOf = (changes: Partial<CandleRequest> = {}): CandleRequest => ({
  ...{ symbol: 'AAPL', interval: 'DAY_1', from: null, to: null, last: 40, earlier: 20 },
  ...{ adjustment: 'SPLITS', extendedHours: false },
  ...changes,
})

async function ask({ service }: House, request: CandleRequest): Promise<CandleSeries> {
  const [answer] = await service.candles([request])
  if (answer === undefined || answer instanceof Error) throw answer
  return answer
}

const shown = ({ nodes, earlier, hasEarlier, isWhole, excluded, sessions, stale, failure }: CandleSeries) => ({
  ...{ nodes, earlier, hasEarlier, isWhole, excluded, sessions, stale, failure },
})

test('while the store is out, candles of every interval and adjustment are what they are out of the store', async () => {
  const stored = house(new CandleStore(pool))
  const storeless = house(new CandleStore(away))
  for (const interval of intervals) {
    for (const adjustment of adjustments) {
      for (const range of [{ last: 40 }, { last: null, from: now - 6 * daySeconds, to: now - 2 * daySeconds }]) {
        const request = requestOf({ interval, adjustment, ...range })
        const [expected, found] = [await ask(stored, request), await ask(storeless, request)]
        assert.equal(expected.nodes.length > 0, range.last !== null || !interval.startsWith('MONTH_'), interval)
        assert.deepEqual(shown(found), shown(expected), JSON.stringify(request))
      }
    }
  }
  const span = [now - 100 * daySeconds, null] as const
  assert.deepEqual(await storeless.service.actions('AAPL', ...span), await stored.service.actions('AAPL', ...span))
})

test('a past range is final in the store, and not while the store is out', async () => {
  const request = requestOf({ from: now - 20 * daySeconds, to: now - 2 * daySeconds, last: null })
  const stored = house(new CandleStore(pool))
  assert.equal((await ask(stored, request)).isFinal, true)
  assert.equal((await ask(house(new CandleStore(away)), request)).isFinal, false)
  for (const open of [{ to: null }, { to: now }, { to: now + daySeconds }]) {
    assert.equal((await ask(stored, { ...request, ...open })).isFinal, false)
  }
})

test('a range up to now is not final, even where the last session is stored for good and no other has begun', async () => {
  const tokyo = { ...model, timezone: 'Asia/Tokyo', opens: 32_400, closes: 54_000, splits: [], dividends: [] }
  const evening = at('2025-03-12T07:00:00Z')
  const source = modelSource(tokyo, () => evening)
  const service = new CandleService({ source, store: new CandleStore(pool), now: () => evening * 1000 })
  const isFinal = async (to: number | null): Promise<boolean> => {
    const [series] = await service.candles([requestOf({ symbol: '7203.T', to, earlier: 0 })])
    assert.ok(series && !(series instanceof Error) && series.nodes.length === 40)
    return series.isFinal
  }
  assert.deepEqual([await isFinal(null), await isFinal(evening + daySeconds)], [false, false])
  assert.equal(await isFinal(at('2025-03-12T00:00:00Z')), true)
})

test('while the store is out, 30 who poll the same chart cost the source one call in the lifetime of its open end', async () => {
  const set = house(new CandleStore(away))
  const request = requestOf({ interval: 'MINUTE_1', last: 5, earlier: 0 })
  const poll = () => Promise.all(Array.from({ length: 30 }, () => ask(set, request)))
  await poll()
  set.now += 4
  const [series] = await poll()
  assert.equal(set.source.calls.length, 1)
  set.now += 2
  const [later] = await poll()
  assert.equal(set.source.calls.length, 2)
  assert.ok((later?.nodes.at(-1)?.epoch ?? 0) >= (series?.nodes.at(-1)?.epoch ?? Number.POSITIVE_INFINITY))
})

test('what only the store has is UNAVAILABLE while it is out, and never left out in silence; so is a backfill', async () => {
  const set = house(new CandleStore(away))
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'answered',
      (error: unknown) => (error instanceof FinstageError ? error.code : String(error)),
    )
  const from = now - 35 * daySeconds
  for (const range of [
    { from, last: null },
    { from, to: from + daySeconds, last: null },
    { to: from, last: 5 },
  ]) {
    const request = requestOf({ interval: 'MINUTE_1', earlier: 0, ...range })
    assert.equal(await codeOf(ask(set, request)), 'UNAVAILABLE', JSON.stringify(range))
  }
  assert.equal(await codeOf(set.service.backfill('AAPL', 'DAY_1', from, now)), 'UNAVAILABLE')
})

test('what the source fails with while the store is out is told as such', async () => {
  const set = house(new CandleStore(away))
  for (const failure of [symbolNotFound('AAPL'), new FinstageError('SOURCE_UNAVAILABLE', 'The source is away')]) {
    set.source.candles = async () => {
      throw failure
    }
    await assert.rejects(ask(set, requestOf()), failure)
  }
})
