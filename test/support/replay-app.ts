import { startApp, type TestApp } from './app.ts'
import type { Answer } from './clients/client.ts'
import { post } from './clients/client.ts'
import { createTestDatabase } from './database/database.ts'
import { startTestYahoo, type TestYahoo } from './yahoo/test-yahoo.ts'
import { isChart, isFake, type Recording, type ReplayOptions, readRecordings } from './yahoo/test-yahoo-replay.ts'

const dir = process.env.YAHOO_RECORDINGS_DIR

/** For tests that have nothing to do without recordings. */
export const skipWithoutRecordings =
  dir === undefined ? 'YAHOO_RECORDINGS_DIR is not set: nothing recorded to replay' : false

/** All recordings, the spoilt ones included; none where the folder is not named. */
export const recordings: readonly Recording[] = dir === undefined ? [] : readRecordings(dir)
export const recordedCharts: readonly Recording[] = recordings.filter((each) => isChart(each) && !isFake(each.file))
export const recordedDays: readonly Recording[] = recordedCharts.filter(({ query }) => query.interval === '1d')

export interface ReplayApp extends AsyncDisposable {
  readonly yahoo: TestYahoo
  ask<Data>(query: string, variables?: Record<string, unknown>): Promise<Answer<Data>>
  /** A new process, on the same database. */
  restart(): Promise<void>
}

/** A whole server whose Yahoo has recorded answers and nothing else, at the time at which one of them was recorded. */
export async function startReplayApp(
  { recordedAt }: Recording,
  replay: Omit<ReplayOptions, 'dir'> = {},
): Promise<ReplayApp> {
  await using stack = new AsyncDisposableStack()
  const now = () => Date.parse(recordedAt)
  const yahoo = stack.use(await startTestYahoo({ now, replay: { dir: dir ?? '', ...replay } }))
  const database = stack.use(await createTestDatabase())
  const start = () => startApp({ DATABASE_URL: database.url, YAHOO_BASE_URL: yahoo.url }, 'all', { now })
  let app: TestApp = await start()
  stack.defer(() => app.stop())
  const resources = stack.move()
  return {
    yahoo,
    ask: (query, variables) => post(app.api, query, variables),
    async restart() {
      await app.stop()
      app = await start()
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}
