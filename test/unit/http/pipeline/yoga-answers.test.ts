import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getNamedType, isObjectType } from 'graphql'
import { schema } from '../../../../src/schema/index.ts'

test('below candles, which caches may keep for hours, nothing changes by itself but signals, which say so', () => {
  const reached = new Set<string>()
  const reach = (name: string): void => {
    const type = schema.getType(name)
    if (!isObjectType(type) || reached.has(name)) return
    reached.add(name)
    for (const field of Object.values(type.getFields())) reach(getNamedType(field.type).name)
  }
  reach('CandleSeries')
  const indicators = [...reached].filter((name) => /(Point|[a-z]Columns)$/.test(name) && name !== 'CandleColumns')
  assert.ok(indicators.length > 0)
  // A resolver of whatever else is reached has to lower `Context.staysUntilMs` where it may change.
  assert.deepEqual([...reached].filter((name) => !indicators.includes(name)).toSorted(), [
    'Candle',
    'CandleColumns',
    'CandleSeries',
    'IchimokuAhead',
    'Signal',
    'SignalOutcome',
  ])
})
