import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RecentSpending } from '../../../../src/platform/concurrency/recent-spending.ts'

function started() {
  let nowMs = 0
  const spending = new RecentSpending(() => nowMs)
  const pass = (ms: number): void => {
    nowMs += ms
  }
  return { spending, pass }
}

test('what a client has spent counts half after three seconds, and nothing in the end', () => {
  const { spending, pass } = started()
  assert.equal(spending.of('a'), 0)
  spending.add('a', 100)
  spending.add('b', 60)
  spending.add('a', 100)
  assert.equal(spending.of('a'), 200)
  pass(3000)
  assert.equal(spending.of('a'), 100)
  spending.add('a', 10)
  assert.equal(spending.of('a'), 110)
  assert.equal(spending.of('b'), 30)
  pass(30_000)
  assert.equal(spending.of('a'), 0)
})

test('clients that have spent nothing lately are forgotten, and of more than 10,000 those who have spent nothing for longest', () => {
  const { spending, pass } = started()
  for (let i = 0; i < 5000; i++) spending.add(`early ${i}`, 10)
  pass(60_000)
  spending.add('late', 10)
  assert.equal(spending.size, 1)
  for (let i = 0; i < 20_000; i++) {
    spending.add('busy', 1000)
    spending.add(`client ${i}`, 10)
  }
  assert.ok(spending.size <= 10_000, `${spending.size} clients`)
  assert.ok(spending.of('busy') > 1000)
  assert.equal(spending.of('late'), 0)
})
