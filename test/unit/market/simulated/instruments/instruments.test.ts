import assert from 'node:assert/strict'
import { test } from 'node:test'
import { calendarOf } from '../../../../../src/domain/exchange-calendar/calendars.ts'
import { parseSymbol } from '../../../../../src/domain/symbol.ts'
import { simulatedInstruments } from '../../../../../src/market/simulated/instruments/instruments.ts'

const symbols = (count: number): string[] => [...simulatedInstruments(count, 1).keys()]

test('a market of three is the first three real names, one of 105 goes on after a hundred with SIM0001', () => {
  assert.deepEqual(symbols(3), ['AAPL', 'MSFT', 'GOOGL'])
  assert.deepEqual(symbols(15), [
    ...['AAPL', 'MSFT', 'GOOGL', 'AMZN', 'TSLA', 'META', 'NVDA', '^GSPC', '^IXIC', '^DJI', 'SPY', 'QQQ', 'BTC-USD'],
    ...['EURUSD=X', 'GC=F'],
  ])
  assert.deepEqual(symbols(105).slice(100), ['SIM0001', 'SIM0002', 'SIM0003', 'SIM0004', 'SIM0005'])
})

test('the hundred familiar names are of all kinds but options, and of many exchanges and currencies', () => {
  const instruments = [...simulatedInstruments(100, 1, 'exchange').values()].map(({ instrument }) => instrument)
  const kinds = new Set(instruments.map(({ kind }) => kind))
  assert.deepEqual([...kinds].sort(), ['CRYPTO', 'CURRENCY', 'EQUITY', 'ETF', 'FUND', 'FUTURE', 'INDEX'])
  const about = (wanted: string) => {
    const { exchange, currency } = instruments.find(({ symbol }) => symbol === wanted) ?? assert.fail()
    return [exchange?.code, exchange?.timezone, currency]
  }
  assert.deepEqual(about('SHEL.L'), ['LSE', 'Europe/London', 'GBp'])
  assert.deepEqual(about('7203.T'), ['JPX', 'Asia/Tokyo', 'JPY'])
  assert.deepEqual(about('SAP.DE'), ['GER', 'Europe/Berlin', 'EUR'])
  assert.deepEqual(about('0700.HK'), ['HKG', 'Asia/Hong_Kong', 'HKD'])
  assert.deepEqual(about('AAPL'), ['NMS', 'America/New_York', 'USD'])
  assert.deepEqual(about('BTC-USD'), ['CCC', 'UTC', 'USD'])
  for (const { exchange, name } of instruments) assert.ok(exchange?.name && name && calendarOf(exchange.code))
})

test('ten thousand symbols and more are all different, have prices of their own, and all of them are symbols', () => {
  const many = symbols(10_100)
  assert.equal(new Set(many).size, 10_100)
  assert.equal(new Set([...simulatedInstruments(10_100, 1).values()].map(({ key }) => key)).size, 10_100)
  for (const symbol of many) assert.equal(parseSymbol(symbol), symbol)
})

test('an instrument says that its market is simulated, and is always open', () => {
  for (const { instrument } of simulatedInstruments(120, 1).values()) {
    const { name, ...exchange } = instrument.exchange ?? assert.fail()
    assert.match(name ?? '', /^Simulated .+ \(never closes\)$/)
    assert.deepEqual(exchange, { code: 'SIM', timezone: 'UTC', delayMinutes: 0 })
    assert.equal(instrument.marketState, 'REGULAR')
  }
  assert.equal(simulatedInstruments(1, 1).get('AAPL')?.instrument.exchange?.name, 'Simulated NasdaqGS (never closes)')
})

test('only equities have shares', () => {
  for (const { instrument, shares } of simulatedInstruments(120, 1).values()) {
    assert.equal(shares !== null, instrument.kind === 'EQUITY', instrument.symbol)
  }
})

test('a symbol is the same instrument however many there are, and another one under another seed', () => {
  assert.deepEqual(simulatedInstruments(120, 1).get('SIM0003'), simulatedInstruments(500, 1).get('SIM0003'))
  assert.notDeepEqual(simulatedInstruments(120, 1).get('SIM0003'), simulatedInstruments(120, 2).get('SIM0003'))
})
