import { availableParallelism } from 'node:os'
import { Piscina } from 'piscina'
import type { Registry } from 'prom-client'
import type { Logger } from '../logger.ts'
import { gaugeOf } from '../metrics.ts'
import { type CpuCall, type CpuOutcome, toError } from './cpu-thread.ts'
import { WaitingLine } from './waiting-line.ts'

const idleMs = 30_000
/** Added to the threads' niceness: when cores are short, the event loop comes first. */
const niceIncrement = 10

/**
 * Runs CPU work in threads of this process, so that its event loop keeps answering. Threads start when there is work,
 * one fewer than there are cores at most; each runs one piece of work at a time, and ends after 30 s without any. Idle
 * threads do not keep the process alive.
 *
 * Work waits here and not in piscina's queue: piscina starts no thread in place of one that an abort has ended, so work
 * in its queue would wait until something else is run.
 */
export class CpuPool {
  readonly #threads: Piscina<CpuCall, CpuOutcome>
  readonly #line = new WaitingLine()
  readonly #size = Math.max(1, availableParallelism() - 1)
  #free = this.#size
  #stopped: Promise<void> | undefined

  constructor(log: Logger) {
    this.#threads = new Piscina({
      filename: new URL('./cpu-thread.ts', import.meta.url).href,
      name: 'call',
      minThreads: 0,
      maxThreads: this.#size,
      idleTimeout: idleMs,
      niceIncrement,
    })
    // Without a listener, a thread that fails before it takes up its work would end the process. The work then waits
    // until it is aborted.
    this.#threads.on('error', (error) => log.error({ err: error }, 'a thread for CPU work has failed'))
  }

  register(registry: Registry): void {
    gaugeOf(registry, 'finstage_cpu_threads', 'How many threads CPU work of jobs may use', () => this.#size)
    gaugeOf(registry, 'finstage_cpu_threads_busy', 'Of these, how many are at work', () => this.#size - this.#free)
    gaugeOf(registry, 'finstage_cpu_threads_waiting', 'Pieces of work that wait for one', () => this.#line.length)
  }

  /**
   * Calls a function that a module exports; input and output are copied. An abort ends the work with its thread, even
   * an endless loop, and rejects with the signal's reason. Errors of the function come back with their name, message
   * and stack, and a FinstageError as one.
   */
  async run<Input, Output>(module: URL, functionName: string, input: Input, signal?: AbortSignal): Promise<Output> {
    await this.#turn(signal)
    const outcome = await this.#inThread({ module: module.href, functionName, input }, signal)
    if ('failure' in outcome) throw toError(outcome.failure)
    return outcome.value as Output
  }

  /** Ends all threads at once: running, waiting and later work is rejected. */
  stop(): Promise<void> {
    this.#stopped ??= this.#threads.destroy()
    return this.#stopped
  }

  /** Resolves when a thread is free for this call: callers get threads in the order in which they came. */
  async #turn(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return
    }
    await this.#line.wait(signal)
  }

  async #inThread(call: CpuCall, signal: AbortSignal | undefined): Promise<CpuOutcome> {
    try {
      if (this.#stopped) throw stopped()
      return await this.#threads.run(call, { signal: signal ?? null })
    } catch (error) {
      signal?.throwIfAborted()
      throw this.#stopped ? stopped() : error
    } finally {
      if (!this.#line.next()) this.#free += 1
    }
  }
}

const stopped = (): Error => new Error('The threads for CPU work were stopped')
