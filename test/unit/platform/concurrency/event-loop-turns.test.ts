import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Caller, EventLoopTurns, spareMs } from '../../../../src/platform/concurrency/event-loop-turns.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let clients = 0
/** An operation of a client of its own. */
const newCaller = (client = `client ${clients++}`): Caller => ({ client })

/** Turns of 10 ms by a clock of their own, and the pieces in the order in which they have begun. */
function started() {
  let nowMs = 0
  const turns = new EventLoopTurns(10, () => nowMs)
  const begun: string[] = []
  const asker = newCaller()
  const pass = (ms: number): void => {
    nowMs += ms
  }
  const take = (name: string, ms: number): void => {
    begun.push(name)
    nowMs += ms
  }
  const piece = (name: string, ms: number, of: Caller = asker): unknown => turns.run(of, () => take(name, ms))
  return { turns, begun, piece, take, pass }
}

test('a turn of the event loop begins pieces until its time is over, and the others in later turns, the oldest first', async () => {
  const { begun, piece } = started()
  piece('a', 6)
  piece('b', 4)
  piece('c', 1)
  piece('d', 9)
  piece('e', 1)
  assert.deepEqual(begun, ['a', 'b'])
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd'])
  await turn()
  assert.deepEqual(begun, ['a', 'b', 'c', 'd', 'e'])
})

test('a piece that takes longer than a turn ends it, and what its asker wants later does not overtake it', async () => {
  const { begun, piece } = started()
  piece('small', 1)
  piece('huge', 1000)
  piece('late', 1)
  assert.deepEqual(begun, ['small', 'huge'])
  await turn()
  assert.deepEqual(begun, ['small', 'huge', 'late'])
})

test('a small operation waits for one piece of a large one of the same client, and the large one is not put off for ever', async () => {
  const { begun, piece } = started()
  const [big, small] = [newCaller('one'), newCaller('one')]
  for (const i of [1, 2, 3, 4]) piece(`big ${i}`, 100, big)
  piece('small 1', 3, small)
  assert.deepEqual(begun, ['big 1'])
  await turn()
  assert.deepEqual(begun, ['big 1', 'big 2'])
  await turn()
  assert.deepEqual(begun, ['big 1', 'big 2', 'small 1', 'big 3'])
  for (const i of [2, 3, 4, 5]) piece(`small ${i}`, 3, small)
  await turn()
  assert.deepEqual(begun.slice(4), ['big 4'])
  await turn()
  assert.deepEqual(begun.slice(5), ['small 2', 'small 3', 'small 4', 'small 5'])
})

test('the client that has spent the least goes first, however many operations another has', async () => {
  const { begun, piece } = started()
  for (let i = 0; i < 100; i++) piece('of many', 10, newCaller('greedy'))
  await turn()
  await turn()
  for (const name of ['a', 'b', 'c']) piece(name, 3, newCaller('modest'))
  assert.deepEqual(begun, ['of many', 'of many', 'of many'])
  await turn()
  // 9 of its 10 ms are over, so one of the others' begins too.
  assert.deepEqual(begun.slice(3), ['a', 'b', 'c', 'of many'])
  await turn()
  assert.deepEqual(begun.slice(7), ['of many'])
})

test('clients that spend the same take turns, also with time outside of their turns, and nobody is put off for ever', async () => {
  const { turns, begun, piece, pass } = started()
  piece('before', 10)
  const [one, other] = [newCaller('one'), newCaller('other')]
  for (let i = 0; i < 3; i++) {
    piece('one', 10, one)
    piece('other', 10, other)
  }
  for (let i = 0; i < 4; i++) await turn()
  assert.deepEqual(begun.splice(0), ['before', 'one', 'other', 'one', 'other'])
  turns.charge(one, 100)
  await turn()
  assert.deepEqual(begun.splice(0), ['other'])
  for (let i = 0; i < 50; i++) {
    piece('new', 10, newCaller())
    await turn()
    if (begun.includes('one')) break
    pass(1000)
  }
  assert.ok(begun.includes('one'), `not in ${begun.length} turns`)
})

test('work that is divided learns when its turn is over, and its rest comes before what its asker began later', async () => {
  const { turns, begun, piece, take } = started()
  const [asker, other] = [newCaller('one'), newCaller('one')]
  const divided = async (): Promise<void> => {
    let left = 25
    while (left > 0) {
      await turns.goOn(asker, (untilMs) => {
        while (left > 0 && turns.now() < untilMs) {
          take(`${left} left`, 5)
          left -= 5
        }
      })
    }
  }
  const done = divided()
  piece('of the same asker', 1, asker)
  piece('of another', 1, other)
  await done
  const last = ['of another', '5 left', 'of the same asker']
  assert.deepEqual(begun, ['25 left', '20 left', '15 left', '10 left', ...last])
})

test('work that goes on in promises has a turn to itself', async () => {
  const { turns, begun, piece, take } = started()
  const asker = newCaller()
  piece('before', 10)
  const first = turns.whole(asker, { isFirst: true })
  piece('of the same asker', 1, asker)
  piece('of another', 1, newCaller(asker.client))
  const untilMs = await first
  assert.deepEqual(begun, ['before'])
  assert.equal(untilMs, turns.now() + 10)
  take('in its turn', 10)
  await turns.whole(asker, { isFirst: false })
  assert.deepEqual(begun, ['before', 'in its turn', 'of another'])
  await turn()
  assert.equal(begun.at(-1), 'of the same asker')
})

test('work that nobody waits for any more does not begin, its promises stay open, and it is told that it has stopped', async () => {
  const { turns, begun, piece } = started()
  const [gone, asker] = [newCaller(), newCaller()]
  piece('before', 10)
  let settled = 0
  const settle = (): number => settled++
  const open = [turns.run(gone, () => begun.push('run')), turns.whole(gone, { isFirst: true })]
  let stops = 0
  turns.drop(gone, () => stops++)
  assert.equal(stops, 1)
  open.push(
    turns.goOn(gone, () => begun.push('later')),
    turns.whole(gone, { isFirst: false }),
  )
  for (const each of open) Promise.resolve(each).then(settle, settle)
  piece('of another', 1, asker)
  for (let i = 0; i < 4; i++) await turn()
  assert.deepEqual(begun, ['before', 'of another'])
  assert.equal(settled, 0)
  assert.ok(stops > 1)
  const idle = newCaller()
  turns.drop(idle, () => assert.fail('it has no work'))
})

test('a turn gives way to what has come, without putting work off for ever', async () => {
  const { turns, begun, piece } = started()
  piece('before', 10)
  piece('waiting', 1)
  turns.giveWay()
  await turn()
  assert.deepEqual(begun, ['before'])
  piece('small', 1, newCaller())
  assert.deepEqual(begun, ['before', 'small'])
  await turn()
  assert.deepEqual(begun, ['before', 'small', 'waiting'])
  piece('again before', 10)
  piece('again waiting', 1)
  let waited = 0
  while (begun.at(-1) !== 'again waiting' && waited < 100) {
    turns.giveWay()
    await turn()
    waited++
  }
  assert.ok(waited > 10 && waited < 50, `${waited} turns`)
})

test('what a piece gives or throws is told, at once or as a promise', async () => {
  const { turns, take } = started()
  const fail = (): never => {
    take('fail', 10)
    throw new Error('failed')
  }
  assert.throws(() => turns.run(newCaller(), fail), { message: 'failed' })
  await assert.rejects(async () => turns.run(newCaller(), fail), { message: 'failed' })
  assert.equal(await turns.run(newCaller(), () => 'given'), 'given')
})

test('time for work that has waited for its turn is time to spare, and that for work that begins at once is not', async () => {
  const { piece } = started()
  const before = spareMs()
  piece('at once', 100_000)
  assert.ok(spareMs() - before < 50_000)
  piece('later', 200_000)
  await turn()
  assert.ok(spareMs() - before >= 200_000)
  assert.ok(spareMs() - before < 250_000)
})
