import assert from 'node:assert/strict'
import { test } from 'node:test'
import { maxCandles } from '../../../../src/domain/candle.ts'
import type { CandleUpdate, CandleUpdateKind } from '../../../../src/domain/candle-update.ts'
import { FinstageError } from '../../../../src/domain/errors.ts'
import { LiveCandleSubscription } from '../../../../src/market/live-candles/subscription.ts'
import { candleUpdate } from '../../../../src/market/live-candles/update.ts'
import { candleAt, roundTheClock, seriesOf } from '../../../support/candles/live-candles.ts'

const start = candleAt('2025-01-08T00:00:00Z', 1)
const now = { ...seriesOf([]), sessions: roundTheClock }

function update(kind: CandleUpdateKind, minute: number, revision: number): CandleUpdate {
  const candle = { ...start, epoch: start.epoch + minute * 60, closed: kind === 'CLOSE' }
  return candleUpdate({ kind, candle, revision, pricedMs: 0, history: [], index: 0 }, now, 0)
}

function shown(update: CandleUpdate | FinstageError): string {
  if (update instanceof FinstageError) return update.code
  return `${update.kind} ${(update.candle.epoch - start.epoch) / 60} r${update.revision}`
}

async function read(subscription: LiveCandleSubscription, count: number): Promise<string[]> {
  const seen: string[] = []
  while (seen.length < count) {
    const { value, done } = await subscription.next()
    if (done) break
    seen.push(shown(value))
  }
  return seen
}

test('snapshots come first, then what was told since, in order', async () => {
  const subscription = new LiveCandleSubscription([update('SNAPSHOT', 0, 1), update('SNAPSHOT', 1, 1)], () => {})
  subscription.push(update('UPDATE', 1, 2))
  const pending = read(subscription, 4)
  subscription.push(update('CLOSE', 1, 3))
  assert.deepEqual(await pending, ['SNAPSHOT 0 r1', 'SNAPSHOT 1 r1', 'UPDATE 1 r2', 'CLOSE 1 r3'])
})

test('a slow reader loses updates that a later one of the same candle tells too, never a close, a snapshot or the order', async () => {
  const subscription = new LiveCandleSubscription([update('SNAPSHOT', 0, 1)], () => {})
  const closes: string[] = []
  for (let minute = 0; minute < 200; minute++) {
    for (let revision = 1; revision <= 50; revision++) subscription.push(update('UPDATE', minute, revision))
    for (const revision of [51, 52]) {
      subscription.push(update('CLOSE', minute, revision))
      closes.push(`CLOSE ${minute} r${revision}`)
    }
  }
  subscription.push(update('UPDATE', 200, 1))
  subscription.push(update('UPDATE', 200, 2))
  subscription.end()
  const seen = await read(subscription, Number.POSITIVE_INFINITY)
  assert.deepEqual(
    seen.filter((each) => each.startsWith('CLOSE')),
    closes,
  )
  assert.deepEqual([seen[0], seen.at(-1)], ['SNAPSHOT 0 r1', 'UPDATE 200 r2'])
  assert.ok(seen.length < closes.length + 300, `${seen.length} waited`)
  const revisions = (minute: number) =>
    seen.filter((each) => each.includes(` ${minute} `)).map((each) => Number(each.split('r')[1]))
  assert.deepEqual(
    revisions(150),
    revisions(150).toSorted((a, b) => a - b),
  )
})

test('what waits for a reader who is gone stays bounded: beyond what a new subscription could begin with it ends, and says so', async () => {
  const subscription = new LiveCandleSubscription([], () => {})
  for (let minute = 0; minute < 2 * maxCandles; minute++) subscription.push(update('CLOSE', minute, 1))
  const seen = await read(subscription, Number.POSITIVE_INFINITY)
  assert.ok(seen.length > maxCandles && seen.length < 2 * maxCandles, `${seen.length}`)
  assert.deepEqual([...seen.slice(0, 2), seen.at(-1)], ['CLOSE 0 r1', 'CLOSE 1 r1', 'LIMIT_EXCEEDED'])
})

test('a reader may leave while snapshots are left, and while it waits', async () => {
  let ends = 0
  const leaving = new LiveCandleSubscription([update('SNAPSHOT', 0, 1), update('SNAPSHOT', 1, 1)], () => {
    ends += 1
  })
  await leaving.next()
  await leaving.return()
  assert.deepEqual(await read(leaving, 5), [])
  const waiting = new LiveCandleSubscription([], () => {
    ends += 1
  })
  const pending = waiting.next()
  await waiting.return()
  assert.equal((await pending).done, true)
  assert.equal(ends, 2)
})

test('a long row of snapshots leaves the event loop time for others', async () => {
  const all = Array.from({ length: 2000 }, (_, minute) => update('SNAPSHOT', minute, 1))
  const subscription = new LiveCandleSubscription(all, () => {})
  let turns = 0
  let reading = true
  const count = (): void => {
    turns += 1
    if (reading) setImmediate(count)
  }
  setImmediate(count)
  await read(subscription, 2000)
  reading = false
  assert.ok(turns >= 20, `${turns}`)
})
