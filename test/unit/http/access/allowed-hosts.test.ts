import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AllowedHosts } from '../../../../src/http/access/allowed-hosts.ts'

for (const [host, names, ours, others] of [
  [
    '127.0.0.1',
    [],
    ['localhost', 'localhost:4000', '127.0.0.1:1', '[::1]:80', '127.3.2.1', undefined],
    [
      'evil.test',
      '10.0.0.7',
      '0.0.0.0',
      '[::]',
      '[fd00::7]',
      'localhost.evil.test',
      '127.0.0.1.evil.test',
      '',
      ':80',
      '::1',
    ],
  ],
  [
    '10.0.0.7',
    ['Finstage.example', 'fd00::7'],
    ['10.0.0.7:4000', 'FINSTAGE.example:443', '[fd00::7]', 'localhost'],
    ['10.0.0.8', 'a.finstage.example', 'finstage.example.evil.test', '[fd00::8]', 'fd00::7'],
  ],
  ['fd00::7', [], ['[fd00::7]:4000', '[FD00::7]'], ['[fd00::8]', '10.0.0.7']],
  [
    '0.0.0.0',
    ['finstage.example'],
    ['10.0.0.7:1', '[fd00::7]:1', 'finstage.example'],
    ['evil.test', '10.0.0.7.evil.test'],
  ],
  ['::', [], ['10.0.0.7', '[fd00::7]'], ['evil.test', '[evil.test]']],
] as const) {
  test(`a server on HOST=${host}${names.length > 0 ? ` with ALLOWED_HOSTS=${names.join()}` : ''} goes by its names and those of loopback, on any port, and by no other`, () => {
    const hosts = new AllowedHosts({ host, names })
    for (let asked = 0; asked < 2; asked++) {
      for (const header of ours) assert.equal(hosts.has(header), true, header)
      for (const header of others) assert.equal(hosts.has(header), false, header)
    }
  })
}

test('a Host header of any length is looked at in no time', () => {
  const hosts = new AllowedHosts({ host: '127.0.0.1', names: [] })
  const startedMs = performance.now()
  for (const part of [':', '[', ']', '1', ':1', '[:', 'a:']) assert.equal(hosts.has(part.repeat(16_000)), false)
  assert.ok(performance.now() - startedMs < 1000)
})
