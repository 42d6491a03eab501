import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RetryBudget } from '../../../../../src/market/yahoo/calls/retry-budget.ts'

/** How many retries a budget gives until it says no. */
function drained(budget: RetryBudget): number {
  let taken = 0
  while (budget.take()) taken++
  return taken
}

test('the first failure of all may be retried, the second not yet', () => {
  assert.equal(drained(new RetryBudget()), 1)
})

test('over 200 calls that all fail, retries are less than a tenth of the calls', () => {
  const budget = new RetryBudget()
  let retries = 0
  for (let call = 0; call < 200; call++) {
    budget.earn()
    retries += drained(budget)
  }
  assert.equal(retries, 17)
})

test('25 calls earn two retries', () => {
  const budget = new RetryBudget()
  drained(budget)
  for (let call = 0; call < 25; call++) budget.earn()
  assert.equal(drained(budget), 2)
})

test('after however many good calls, ten retries at most come in a row', () => {
  const budget = new RetryBudget()
  for (let call = 0; call < 10_000; call++) budget.earn()
  budget.giveBack()
  assert.equal(drained(budget), 10)
})

test('what costs more than there is leaves a debt, and nothing until that is earned', () => {
  const budget = new RetryBudget()
  assert.ok(budget.take(6))
  for (let call = 0; call < 74; call++) budget.earn()
  assert.equal(budget.take(), false)
  budget.earn()
  assert.equal(budget.take(), true)
})

test('what was given back can be taken again', () => {
  const budget = new RetryBudget()
  budget.take()
  budget.giveBack()
  assert.equal(drained(budget), 1)
})
