import { type PerformanceEntry, PerformanceObserver, performance } from 'node:perf_hooks'

interface Round {
  readonly fromMs: number
  readonly toMs: number
  readonly cpuMs: number
}

/** Shorter rounds are not of interest. */
const leastMs = 5

const cpuMs = (): number => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1000
}

/** For as long as it watches, tells the rounds of this thread's event loop that took the most CPU, collections apart. */
export class LongestRounds {
  readonly #rounds: Round[] = []
  readonly #collections: PerformanceEntry[] = []
  readonly #observer = new PerformanceObserver((list) => this.#collections.push(...list.getEntries()))
  #isStopped = false

  constructor() {
    this.#observer.observe({ entryTypes: ['gc'] })
    this.#watch(performance.now(), cpuMs())
  }

  #watch(fromMs: number, cpuBefore: number): void {
    setImmediate(() => {
      const [toMs, cpu] = [performance.now(), cpuMs()]
      // Some systems count CPU in ticks of four milliseconds.
      const took = Math.min(cpu - cpuBefore, toMs - fromMs)
      if (took >= leastMs) this.#rounds.push({ fromMs, toMs, cpuMs: took })
      if (!this.#isStopped) this.#watch(performance.now(), cpuMs())
    })
  }

  /** The longest since it was asked last, in milliseconds of CPU. */
  async take(): Promise<number> {
    // Collections are told of later.
    await new Promise((resolve) => setTimeout(resolve, 5))
    const lengths = this.#rounds.splice(0).map((round) => round.cpuMs - this.#collectedIn(round))
    this.#collections.length = 0
    return Math.max(0, ...lengths)
  }

  stop(): void {
    this.#isStopped = true
    this.#observer.disconnect()
  }

  #collectedIn({ fromMs, toMs }: Round): number {
    let sum = 0
    for (const { startTime, duration } of this.#collections) {
      sum += Math.max(0, Math.min(toMs, startTime + duration) - Math.max(fromMs, startTime))
    }
    return sum
  }
}
