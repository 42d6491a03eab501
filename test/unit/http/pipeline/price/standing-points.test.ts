import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Registry } from 'prom-client'
import {
  type Holding,
  type NewHolder,
  type StandingLimits,
  StandingPoints,
} from '../../../../../src/http/pipeline/price/standing-points.ts'

const connections = [{}, {}, {}]
const boundless: StandingLimits = { ofConnection: 1e9, ofClient: 1e9, inAll: 1e9 }

const standing = (places: number, documents: number, series = 0) => ({ places, documents, series })

function holder(fields: Partial<NewHolder> = {}): NewHolder {
  return { connection: connections[0] ?? {}, client: 'c', execution: 'e', standing: standing(10, 20), ...fields }
}

/** Of all kinds, in points. */
async function held(registry: Registry): Promise<number> {
  const { values } = (await registry.getSingleMetric('finstage_standing_points')?.get()) ?? assert.fail()
  return values.reduce((sum, { value }) => sum + value, 0)
}

const holders = fc.record({
  connection: fc.constantFrom(...connections),
  client: fc.constantFrom('a', 'b', null),
  execution: fc.constantFrom('x', 'y', undefined),
  standing: fc.record({
    places: fc.double({ min: 0, max: 1e6, noNaN: true }),
    documents: fc.double({ min: 0, max: 1e6, noNaN: true }),
    series: fc.double({ min: 0, max: 1e6, noNaN: true }),
  }),
})

test('whatever holds and gives back, in whatever order, what is held is never below 0, and exactly 0 when all have', async () => {
  const steps = fc.array(fc.record({ holder: holders, gives: fc.option(fc.nat()) }), { maxLength: 60 })
  await fc.assert(
    fc.asyncProperty(steps, async (steps) => {
      const registry = new Registry()
      const points = new StandingPoints(boundless, registry)
      const open: Holding[] = []
      for (const { holder, gives } of steps) {
        if (gives === null) open.push(points.hold(holder))
        else open.splice(gives % Math.max(1, open.length), 1)[0]?.giveBack()
        assert.ok((await held(registry)) >= 0)
      }
      for (const holding of open) {
        holding.giveBack()
        holding.giveBack()
      }
      assert.deepEqual([await held(registry), points.size], [0, 0])
    }),
    { numRuns: 100, seed: 1 },
  )
})

test('an execution that several share counts once, as the largest has it, in each of the three sums', () => {
  const [first = {}, second = {}] = connections
  for (const others of [{}, { connection: second }, { connection: second, client: 'd' }]) {
    const points = new StandingPoints({ ...boundless, inAll: 6 }, new Registry())
    points.hold(holder({ connection: first }))
    // 10 for its place, and nothing for what is executed anyway.
    assert.equal(points.exceeded(holder({ ...others, standing: standing(10, 20) })), null)
    assert.equal(points.exceeded(holder({ ...others, standing: standing(10, 40) })), null)
    assert.deepEqual(points.exceeded(holder({ ...others, standing: standing(10, 60) })), {
      ...{ bound: 'standing_points', needed: 5, open: 3, most: 6 },
    })
    assert.ok(points.exceeded(holder({ ...others, execution: 'other', standing: standing(11, 20) })))
    assert.ok(points.exceeded(holder({ ...others, execution: undefined, standing: standing(11, 20) })))
  }
})

test('each bound holds for its own: the same connection, the same client, all together', () => {
  const points = new StandingPoints({ ofConnection: 3, ofClient: 6, inAll: 9 }, new Registry())
  const [first = {}, second = {}, third = {}] = connections
  const boundOf = (fields: Partial<NewHolder>) =>
    points.exceeded(holder({ execution: undefined, ...fields }))?.bound ?? null
  const hold = (fields: Partial<NewHolder>) => points.hold(holder({ execution: undefined, ...fields }))
  const held = hold({ connection: first })
  assert.equal(boundOf({ connection: first }), 'standing_points_of_connection')
  assert.equal(boundOf({ connection: second }), null)
  hold({ connection: second })
  assert.equal(boundOf({ connection: third }), 'standing_points_of_client')
  assert.equal(boundOf({ connection: third, client: null }), null)
  hold({ connection: third, client: 'd' })
  assert.equal(boundOf({ connection: {}, client: 'other' }), 'standing_points')
  held.giveBack()
  assert.equal(boundOf({ connection: first }), null)
})
