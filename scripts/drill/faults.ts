import { closeSync, openSync, statfsSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from 'graphql-ws'
import pg from 'pg'
import { post } from '../../test/support/clients/client.ts'
import { maxConnections, type Stage, usualFramesPerSecond } from './stage.ts'

export interface Fault {
  readonly what: string
  /** The alerts that have to come. */
  readonly alerts: readonly string[]
  /** Alerts that have to come, too, and end minutes later. What ends them is looked at when the drill is over. */
  readonly slow?: readonly string[]
  /** Alerts that come with it and end hours later, when their windows have passed. */
  readonly lasting?: readonly string[]
  /** Brings it about. Resolves, when it is there, to what ends it; null: it is over by itself. */
  readonly cause: (stage: Stage) => Promise<(() => Promise<void>) | null>
}

const minuteMs = 60_000

/** In an order in which none disturbs the next: those after Postgres make operations fail, too. */
export const faults: readonly Fault[] = [
  {
    what: 'the disk of DATA_DIR fills up to 95 %',
    alerts: ['DiskNearlyFull'],
    async cause({ disk }) {
      if (!disk) throw new Error('this user may not mount a small disk')
      const { bavail, bsize, blocks } = statfsSync(disk.directory)
      const file = openSync(join(disk.directory, 'filler'), 'a')
      const block = Buffer.alloc(bsize)
      for (let left = bavail - Math.floor(blocks / 20); left > 0; left--) writeSync(file, block)
      closeSync(file)
      return async () => disk.free()
    },
  },
  {
    what: `clients open 45 of ${maxConnections} WebSockets`,
    alerts: ['BacklogNearlyFull'],
    async cause({ api }) {
      const clients = Array.from({ length: 45 }, () =>
        createClient({ url: `${api.replace('http', 'ws')}/graphql`, lazy: false, onNonLazyError: () => {} }),
      )
      return async () => {
        await Promise.all(clients.map((client) => client.dispose()))
      }
    },
  },
  {
    what: 'the api stands still for 2.5 s',
    alerts: ['EventLoopBlocked'],
    async cause(stage) {
      process.kill(stage.pid('api'), 'SIGSTOP')
      await sleep(2500)
      process.kill(stage.pid('api'), 'SIGCONT')
      return null
    },
  },
  {
    what: "Yahoo's push feed drips: 2.5 % of its usual rate, its socket open",
    alerts: ['FeedDripping'],
    async cause(stage) {
      stage.push(usualFramesPerSecond * 0.025)
      return async () => stage.push(usualFramesPerSecond)
    },
  },
  {
    what: "Yahoo's push feed takes no connections",
    alerts: ['StreamAway'],
    async cause({ streamer }) {
      streamer.refuse()
      streamer.drop()
      return async () => streamer.refuse(false)
    },
  },
  {
    what: 'Postgres stops',
    alerts: ['DependencyDown'],
    slow: ['RequestsFailFast'],
    lasting: ['RequestsFail', 'RequestsFailSlowly'],
    async cause({ postgres }) {
      await postgres.stop()
      return () => postgres.start()
    },
  },
  {
    what: 'Yahoo answers quotes with 429',
    alerts: ['SourceRateLimited'],
    cause: async ({ yahoo }) => {
      const over = yahoo.fault('quote', { status: 429 })
      return async () => over()
    },
  },
  {
    what: 'Yahoo answers everything with 503, and its push feed is away',
    alerts: ['BreakerOpen', 'PricesStale', 'QuotesStale'],
    async cause({ yahoo, streamer }) {
      streamer.refuse()
      streamer.drop()
      const over = (['quote', 'chart', 'search'] as const).map((endpoint) => yahoo.fault(endpoint, { status: 503 }))
      return async () => {
        for (const each of over) each()
        streamer.refuse(false)
      }
    },
  },
  {
    what: 'the process that leads the feed freezes',
    alerts: ['FeedDead', 'InstanceDown'],
    async cause(stage) {
      const pid = stage.pid('ingest')
      process.kill(pid, 'SIGSTOP')
      return async () => void process.kill(pid, 'SIGCONT')
    },
  },
  {
    what: 'the only worker ends',
    alerts: ['WorkersMissing'],
    async cause(stage) {
      await stage.end('worker')
      return () => stage.begin('worker')
    },
  },
  {
    what: 'somebody locks the table of carriers, and an urgent job becomes due',
    alerts: ['JobsWaiting'],
    async cause({ api, databaseUrl }) {
      const runAt = new Date(Date.now() + 3000).toISOString()
      const { errors } = await post(
        api,
        `mutation ($input: EnqueueAnalysisInput!) { enqueueAnalysis(input: $input) { __typename } }`,
        { input: { symbols: ['DRILL0-USD'], priority: 'HIGH', runAt } },
      )
      if (errors) throw new Error(JSON.stringify(errors))
      return await lock(databaseUrl, 'graphile_worker._private_jobs IN SHARE ROW EXCLUSIVE MODE')
    },
  },
  {
    what: 'somebody locks the table of jobs, and 60 clients ask for jobs',
    alerts: ['DatabasePoolExhausted'],
    async cause({ api, databaseUrl }) {
      const unlock = await lock(databaseUrl, 'finstage.jobs IN ACCESS EXCLUSIVE MODE')
      let isOver = false
      const client = async (): Promise<void> => {
        while (!isOver) await post(api, '{ jobs(first: 1) { edges { node { id } } } }').catch(() => sleep(100))
      }
      for (let i = 0; i < 60; i++) void client()
      return async () => {
        isOver = true
        await unlock()
      }
    },
  },
]

/** Holds a lock until the returned function is called. */
async function lock(databaseUrl: string, table: string): Promise<() => Promise<void>> {
  const client = new pg.Client({ connectionString: databaseUrl })
  client.on('error', () => {})
  await client.connect()
  await client.query('BEGIN')
  await client.query(`SET LOCAL lock_timeout = ${minuteMs}`)
  await client.query(`LOCK TABLE ${table}`)
  return async () => {
    await client.query('ROLLBACK')
    await client.end()
  }
}
