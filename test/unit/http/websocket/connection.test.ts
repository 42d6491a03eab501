import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { ClientOperation } from '../../../../src/http/websocket/client-operation.ts'
import { WebSocketConnection, type WebSocketConnectionOptions } from '../../../../src/http/websocket/connection.ts'
import { createContext, type Ports } from '../../../../src/resolvers/context.ts'
import { unjoinedJson } from '../../../../src/resolvers/written-list.ts'
import { silentLog } from '../../../support/log.ts'

/** A connection whose client takes everything. */
function open() {
  const sent: string[] = []
  const webSocket = {
    ...{ protocol: '', extensions: '', readyState: 1, OPEN: 1 },
    on() {},
    send(message: string | Buffer, _options: object, done: () => void) {
      sent.push(String(message))
      done()
    },
  }
  const connection = new WebSocketConnection({
    ...{ webSocket, socket: { writableLength: 0 }, schedule: {}, metrics: { sent() {} }, log: silentLog },
  } as unknown as WebSocketConnectionOptions)
  return { connection, sent }
}

const long = unjoinedJson({ text: 'x'.repeat(2_000_000) })

test('a long answer is sent as one message', async () => {
  const { connection, sent } = open()
  await connection.sendAnswer(long, new ClientOperation('1'), createContext({} as Ports))
  assert.deepEqual(sent, [long.texts[0]])
})

test('a long answer that is being made when its client drops the operation is not sent: the id may be that of another', async () => {
  const { connection, sent } = open()
  const operation = new ClientOperation('1')
  void connection.sendAnswer(long, operation, createContext({} as Ports))
  void operation.return()
  for (let turn = 0; turn < 100; turn++) await nextTurn()
  assert.deepEqual(sent, [])
})

test('once an answer is handed to the system, dropping the operation gives none of its room back', async () => {
  const { connection, sent } = open()
  const operation = new ClientOperation('1')
  const dropped: string[] = []
  operation.onDropped(() => dropped.push('operation'))
  const sending = connection.sendAnswer(unjoinedJson({}), operation, createContext({} as Ports))
  assert.deepEqual(sent, ['{}'])
  await operation.return()
  assert.deepEqual(dropped, [])
  await sending
})
