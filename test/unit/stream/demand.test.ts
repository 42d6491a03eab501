import assert from 'node:assert/strict'
import { test } from 'node:test'
import { announceIntervalMs, Demand } from '../../../src/stream/demand.ts'

const symbolsOf = (demand: Demand): string => [...demand.symbols].sort().join(' ')

test('the symbols are those that any node watches, and a change of them is told', () => {
  const demand = new Demand()
  assert.equal(demand.hear({ node: 'n1', event: 'added', symbols: ['A', 'B'] }, 0), true)
  assert.equal(demand.hear({ node: 'n2', event: 'added', symbols: ['B'] }, 0), false)
  assert.equal(demand.hear({ node: 'n2', event: 'held', symbols: ['B', 'C'] }, 0), true)
  assert.equal(symbolsOf(demand), 'A B C')
  assert.equal(demand.hear({ node: 'n1', event: 'dropped', symbols: ['B'] }, 0), false)
  assert.equal(demand.hear({ node: 'n1', event: 'dropped', symbols: ['A', 'B'] }, 0), true)
  assert.equal(symbolsOf(demand), 'B C')
})

test('to drop what was never watched, or twice, changes nothing', () => {
  const demand = new Demand()
  assert.equal(demand.hear({ node: 'n1', event: 'dropped', symbols: ['A'] }, 0), false)
  demand.hear({ node: 'n1', event: 'added', symbols: ['A'] }, 0)
  assert.equal(demand.hear({ node: 'n2', event: 'dropped', symbols: ['A'] }, 0), false)
  assert.equal(symbolsOf(demand), 'A')
  assert.equal(demand.hear({ node: 'n1', event: 'dropped', symbols: ['A', 'A'] }, 0), true)
  assert.equal(demand.hear({ node: 'n1', event: 'dropped', symbols: ['A'] }, 0), false)
  assert.equal(symbolsOf(demand), '')
})

test('a node is forgotten when it was not heard of for three announcements, its symbols with it unless another holds them', () => {
  const demand = new Demand()
  demand.hear({ node: 'n1', event: 'added', symbols: ['A', 'B'] }, 0)
  demand.hear({ node: 'n2', event: 'added', symbols: ['B'] }, 1)
  assert.equal(demand.forget(3 * announceIntervalMs), false)
  assert.equal(demand.forget(3 * announceIntervalMs + 1), true)
  assert.equal(symbolsOf(demand), 'B')
  assert.equal(demand.forget(3 * announceIntervalMs + 1), false)
  assert.equal(demand.forget(3 * announceIntervalMs + 2), true)
  assert.equal(symbolsOf(demand), '')
})

test('what is held stays, however long', () => {
  const demand = new Demand()
  demand.hear({ node: 'n1', event: 'added', symbols: ['A', 'B'] }, 0)
  for (let nowMs = 0; nowMs <= 100 * announceIntervalMs; nowMs += announceIntervalMs) {
    demand.hear({ node: 'n1', event: 'held', symbols: ['A'] }, nowMs)
    demand.forget(nowMs)
  }
  assert.equal(symbolsOf(demand), 'A')
})

test('the symbols that were handed out do not change afterwards', () => {
  const demand = new Demand()
  demand.hear({ node: 'n1', event: 'added', symbols: ['A'] }, 0)
  const before = demand.symbols
  demand.hear({ node: 'n1', event: 'added', symbols: ['B'] }, 0)
  assert.deepEqual([...before], ['A'])
})
