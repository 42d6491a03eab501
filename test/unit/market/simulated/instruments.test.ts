import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseSymbol } from '../../../../src/domain/symbol.ts'
import { simulatedInstruments } from '../../../../src/market/simulated/instruments.ts'

const symbols = (count: number): string[] => [...simulatedInstruments(count, 1).keys()]

test('a market of three is the first three real names, a market of twenty goes on with SIM0001', () => {
  assert.deepEqual(symbols(3), ['AAPL', 'MSFT', 'GOOGL'])
  assert.deepEqual(symbols(20), [
    ...['AAPL', 'MSFT', 'GOOGL', 'AMZN', 'TSLA', 'META', 'NVDA', '^GSPC', '^IXIC', '^DJI', 'SPY', 'QQQ', 'BTC-USD'],
    ...['EURUSD=X', 'GC=F', 'SIM0001', 'SIM0002', 'SIM0003', 'SIM0004', 'SIM0005'],
  ])
})

test('ten thousand symbols and more are all different, have prices of their own, and all of them are symbols', () => {
  const many = symbols(10_100)
  assert.equal(new Set(many).size, 10_100)
  assert.equal(new Set([...simulatedInstruments(10_100, 1).values()].map(({ key }) => key)).size, 10_100)
  for (const symbol of many) assert.equal(parseSymbol(symbol), symbol)
})

test('an instrument says that its market is simulated, and is always open', () => {
  for (const { instrument } of simulatedInstruments(20, 1).values()) {
    assert.deepEqual(instrument.exchange, {
      code: 'SIM',
      name: 'Simulated market (never closes)',
      timezone: 'UTC',
      delayMinutes: 0,
    })
    assert.equal(instrument.marketState, 'REGULAR')
    assert.equal(instrument.priceDecimals, instrument.symbol === 'EURUSD=X' ? 5 : 2)
  }
})

test('only equities have shares', () => {
  for (const { instrument, shares } of simulatedInstruments(20, 1).values()) {
    assert.equal(shares !== null, instrument.kind === 'EQUITY', instrument.symbol)
  }
})

test('a symbol is the same instrument however many there are, and another one under another seed', () => {
  assert.deepEqual(simulatedInstruments(20, 1).get('SIM0003'), simulatedInstruments(500, 1).get('SIM0003'))
  assert.notDeepEqual(simulatedInstruments(20, 1).get('SIM0003'), simulatedInstruments(20, 2).get('SIM0003'))
})
