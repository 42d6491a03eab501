import { Gauge, type Registry } from 'prom-client'
import type { StandingCost } from './operation-price.ts'

/** Points that open subscriptions may hold together. */
export interface StandingLimits {
  readonly ofConnection: number
  readonly ofClient: number
  readonly inAll: number
}

export type StandingBound = 'standing_points_of_connection' | 'standing_points_of_client' | 'standing_points'

export const microsPerPoint = 10

/** A subscription that is about to begin. */
export interface NewHolder {
  /** Stands for the connection that it comes by. */
  readonly connection: object
  /** Names the client. null: it counts on its connection and in all. */
  readonly client: string | null
  /** Names the execution of its events, which serves all who are shown the same. undefined: it has its own. */
  readonly execution: string | undefined
  readonly standing: StandingCost
}

/** A bound that a subscription would exceed, all in points. */
export interface Exceeded {
  readonly bound: StandingBound
  readonly needed: number
  readonly open: number
  readonly most: number
}

/** What an open subscription holds. */
export interface Holding {
  /** To be called when the subscription has ended. May be called twice. */
  giveBack(): void
}

/** In whole microseconds: sums of fractions would not come back to 0. */
interface Held extends StandingCost {
  readonly execution: string | undefined
}

interface SharedExecution {
  readonly name: string
  /** How many of the subscriptions have it. */
  holders: number
  /** Of the largest of these so far. */
  micros: number
}

/** What subscriptions hold together. An execution that several share counts once, as the largest of them has it. */
class Sum {
  places = 0
  documents = 0
  series = 0
  holders = 0
  /** undefined: no execution is shared. */
  #executions: Map<string, SharedExecution> | undefined

  get micros(): number {
    return this.places + this.documents + this.series
  }

  /** The name of an execution as the first has given it: so thousands of subscriptions keep one text. */
  nameOf(execution: string): string | undefined {
    return this.#executions?.get(execution)?.name
  }

  /** By how much one more subscription would raise the sum. */
  needs({ places, documents, series, execution }: Held): number {
    const shared = execution === undefined ? undefined : this.#executions?.get(execution)
    return places + series + Math.max(0, documents - (shared?.micros ?? 0))
  }

  add({ places, documents, series, execution }: Held): void {
    this.holders += 1
    this.places += places
    this.series += series
    if (execution === undefined) {
      this.documents += documents
      return
    }
    this.#executions ??= new Map()
    const shared = this.#executions.get(execution) ?? { name: execution, holders: 0, micros: 0 }
    this.#executions.set(shared.name, shared)
    shared.holders += 1
    this.documents += Math.max(0, documents - shared.micros)
    shared.micros = Math.max(documents, shared.micros)
  }

  remove({ places, documents, series, execution }: Held): void {
    this.holders -= 1
    this.places -= places
    this.series -= series
    const shared = execution === undefined ? undefined : this.#executions?.get(execution)
    if (execution === undefined || !shared) {
      this.documents -= documents
      return
    }
    shared.holders -= 1
    if (shared.holders > 0) return
    this.documents -= shared.micros
    this.#executions?.delete(execution)
  }
}

/**
 * Adds up what the subscriptions that are open take each time that all their places have an event: by connection, by
 * client and in all.
 */
export class StandingPoints {
  readonly #limits: StandingLimits
  readonly #inAll = new Sum()
  readonly #byConnection = new Map<object, Sum>()
  readonly #byClient = new Map<string, Sum>()

  constructor(limits: StandingLimits, registry: Registry) {
    this.#limits = limits
    const all = this.#inAll
    new Gauge({
      name: 'finstage_standing_points',
      help: 'What open subscriptions take each time that all their places have an event, in points of 10 us of CPU',
      labelNames: ['kind'],
      registers: [registry],
      collect() {
        for (const kind of ['places', 'documents', 'series'] as const) this.set({ kind }, all[kind] / microsPerPoint)
      },
    })
  }

  /** How many connections and clients hold something. */
  get size(): number {
    return this.#byConnection.size + this.#byClient.size
  }

  /** The bound that one more subscription would exceed. null: there is room for it. */
  exceeded(holder: NewHolder): Exceeded | null {
    const { connection, client } = holder
    const held = heldBy(holder)
    const { ofConnection, ofClient, inAll } = this.#limits
    const check = (bound: StandingBound, sum: Sum | undefined, most: number): Exceeded | null => {
      const [needed, open] = [(sum ?? new Sum()).needs(held), sum?.micros ?? 0]
      if (needed + open <= most * microsPerPoint) return null
      return { bound, needed: Math.ceil(needed / microsPerPoint), open: Math.ceil(open / microsPerPoint), most }
    }
    return (
      check('standing_points_of_connection', this.#byConnection.get(connection), ofConnection) ??
      (client === null ? null : check('standing_points_of_client', this.#byClient.get(client), ofClient)) ??
      check('standing_points', this.#inAll, inAll)
    )
  }

  hold(holder: NewHolder): Holding {
    const { connection, client, execution } = holder
    const name = execution === undefined ? undefined : (this.#inAll.nameOf(execution) ?? execution)
    const held: Held = { ...heldBy(holder), execution: name }
    const sums = [this.#inAll, sumOf(this.#byConnection, connection)]
    if (client !== null) sums.push(sumOf(this.#byClient, client))
    for (const sum of sums) sum.add(held)
    let isHeld = true
    return {
      giveBack: () => {
        if (!isHeld) return
        isHeld = false
        for (const sum of sums) sum.remove(held)
        if (sums[1]?.holders === 0) this.#byConnection.delete(connection)
        if (client !== null && sums[2]?.holders === 0) this.#byClient.delete(client)
      },
    }
  }
}

function heldBy({ execution, standing: { places, documents, series } }: NewHolder): Held {
  return { places: Math.round(places), documents: Math.round(documents), series: Math.round(series), execution }
}

function sumOf<Key>(sums: Map<Key, Sum>, key: Key): Sum {
  const sum = sums.get(key) ?? new Sum()
  sums.set(key, sum)
  return sum
}
