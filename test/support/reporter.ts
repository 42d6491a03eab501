import { Readable } from 'node:stream'
import { spec } from 'node:test/reporters'

interface TestEvent {
  type: string
  data: { skip?: string | boolean; details?: { type?: string } }
}

/** Node's own report, closed by one line that says how many tests passed, failed and were skipped. */
export default async function* report(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const counts = { passed: 0, failed: 0, skipped: 0 }
  async function* counted(): AsyncGenerator<TestEvent> {
    for await (const event of events) {
      const isTest = event.data?.details?.type !== 'suite'
      if (event.type === 'test:pass' && isTest) counts[event.data.skip === undefined ? 'passed' : 'skipped'] += 1
      if (event.type === 'test:fail' && isTest) counts.failed += 1
      yield event
    }
  }
  yield* Readable.from(counted()).compose(new spec())
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : ''
  yield `${counts.passed} passed, ${counts.failed} failed${skipped}\n`
}
