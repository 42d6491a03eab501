import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLoopback } from '../../../src/platform/loopback.ts'

for (const host of [
  'localhost',
  '127.0.0.1',
  '127.9.9.9',
  '::1',
  '0:0:0:0:0:0:0:1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
]) {
  test(`${host} means this machine`, () => {
    assert.equal(isLoopback(host), true)
  })
}

for (const host of [
  '',
  '128.0.0.1',
  '127.1',
  '2130706433',
  '127.0.0.1.example',
  '::2',
  '::ffff:192.0.2.1',
  'localhost.example',
]) {
  test(`${host || 'nothing'} does not mean this machine`, () => {
    assert.equal(isLoopback(host), false)
  })
}
