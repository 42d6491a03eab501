import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FinstageError } from '../../../src/domain/errors.ts'
import { parseSymbol } from '../../../src/domain/symbol.ts'

function refusal(text: string): FinstageError {
  try {
    parseSymbol(text)
  } catch (error) {
    assert.ok(error instanceof FinstageError)
    return error
  }
  return assert.fail(`was taken: ${JSON.stringify(text)}`)
}

test('tickers of every kind are symbols, and come out in upper case', () => {
  for (const [text, symbol] of [
    ['AAPL', 'AAPL'],
    ['brk-b', 'BRK-B'],
    ['^gspc', '^GSPC'],
    ['btc-usd', 'BTC-USD'],
    ['005930.ks', '005930.KS'],
    ['eurusd=x', 'EURUSD=X'],
    ['m&m.ns', 'M&M.NS'],
    ['ES_F', 'ES_F'],
    ['A', 'A'],
    ['A'.repeat(32), 'A'.repeat(32)],
  ] as const) {
    assert.equal(parseSymbol(text), symbol)
  }
})

test('what can be no symbol is BAD_USER_INPUT, and named in the message', () => {
  const control = ['A\u0000', 'A\n', '\nA', 'A\r\nHost: x', ' A', 'A ']
  const harmful = ['../etc/passwd', 'A/B', 'A,B', 'A?x', 'A%2F', 'A#', "';--", '$(x)', '{A}', 'A:B', 'A*', 'A+B']
  for (const text of ['', ...control, ...harmful, 'A'.repeat(33)]) {
    const { code, message } = refusal(text)
    assert.equal(code, 'BAD_USER_INPUT')
    assert.ok(message.includes(JSON.stringify(text)), message)
  }
})

test('letters that are not from A to Z are no symbol, nor are those that become so in upper case', () => {
  for (const text of ['Ä', 'А', 'ＡＡＰＬ', '中', '𝐀', 'ß', 'ſpy', 'ıbm', 'ﬁ']) {
    assert.equal(refusal(text).code, 'BAD_USER_INPUT', text)
  }
})

test('a long text is not repeated whole', () => {
  const { message } = refusal('x!'.repeat(50_000))
  assert.ok(message.length < 150)
  assert.match(message, /x!…"/)
})
