import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CandleChecks } from '../../../../src/market/live-candles/checks.ts'

/** Asks at each time that is due, and gives those times in seconds after the close. */
function askedAt(checks: CandleChecks, answer: (nowMs: number) => void): number[] {
  const times: number[] = []
  while (Number.isFinite(checks.dueMs)) {
    const nowMs = checks.dueMs
    times.push(nowMs / 1000)
    answer(nowMs)
    checks.miss(nowMs)
  }
  return times
}

test('a closed candle is compared once an answer is of after its end, a minute later, and half an hour after the first', () => {
  const checks = new CandleChecks('MINUTE_1')
  checks.closed(60, 0)
  assert.deepEqual(
    askedAt(checks, (nowMs) => checks.confirm(60, nowMs)),
    [7, 67, 1807],
  )
  assert.equal(checks.has(60), false)
  const days = new CandleChecks('DAY_1')
  days.closed(60, 0)
  assert.equal(days.dueMs, 17_000)
})

test('one that the source does not have is asked for a few times in pauses that double, and then no more', () => {
  const checks = new CandleChecks('MINUTE_1')
  checks.closed(60, 0)
  const times = askedAt(checks, () => {})
  const pauses = times.map((time, i) => time - (times[i - 1] ?? 0))
  assert.deepEqual(pauses, [7, 14, 28, 56, 112, 224, 448, 896])
  assert.equal(checks.has(60), false)
})

test('a minute that closes each minute costs one question a minute', () => {
  const checks = new CandleChecks('MINUTE_1')
  let questions = 0
  for (let second = 0; second < 3600; second++) {
    if (second % 60 === 0) checks.closed(second, second * 1000)
    if (checks.dueMs > second * 1000) continue
    questions += 1
    for (let epoch = 0; epoch <= second; epoch += 60) checks.confirm(epoch, second * 1000)
    checks.miss(second * 1000)
  }
  assert.equal(questions, 60)
})

test('an answer that comes before it is due confirms nothing of later', () => {
  const checks = new CandleChecks('MINUTE_1')
  checks.closed(60, 0)
  for (let i = 0; i < 5; i++) checks.confirm(60, 1000)
  assert.equal(checks.dueMs, 7000)
})

test('what was missed is asked for at once, and never later than it would have been', () => {
  const checks = new CandleChecks('MINUTE_1')
  checks.closed(120, 0)
  checks.missedSince(60, 3000)
  assert.deepEqual([checks.oldest, checks.dueMs], [60, 3000])
  checks.closed(60, 5000)
  assert.equal(checks.dueMs, 3000)
})
