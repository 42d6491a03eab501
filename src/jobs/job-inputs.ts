import { z } from 'zod'
import { signalKinds } from '../domain/analysis/signal.ts'
import { badInput } from '../domain/errors.ts'
import type { JobDefaults, JobKind } from '../domain/job.ts'
import { intervals } from '../domain/time/interval.ts'
import { hourSeconds } from '../domain/time/units.ts'
import { parseInput } from './queue/parse-input.ts'

/** The most that an input may hold. */
export const jobBounds = {
  symbols: { ANALYSIS: 500, BACKTEST: 100, DAILY_REPORT: 100, BACKFILL: 500 },
  initialCapital: 1e12,
  positionSize: 1,
  holdDays: 1000,
  takeProfit: 10,
  /** A cost is below this, and a stop below 1. */
  cost: 0.1,
  maxAttempts: 25,
  /** Below four hours: graphile-worker unlocks jobs that are held for longer. */
  timeoutSeconds: 3 * hourSeconds,
} as const

/** The values of fields that a client leaves out. */
export const usualInput = {
  interval: 'DAY_1',
  initialCapital: 10_000,
  positionSize: 0.1,
  holdDays: 5,
  cost: 0.0005,
} as const

interface Issue {
  readonly input?: unknown
}

/** From `min` to `max`. */
const between = (min: number, max: number) => {
  const error = ({ input }: Issue): string => `is ${input}; it has to be from ${min} to ${max}`
  return z.number().min(min, { error }).max(max, { error })
}

/** Above 0, up to `max`. */
const positive = (max: number) => {
  const error = ({ input }: Issue): string => `is ${input}; it has to be above 0, up to ${max}`
  return z.number().gt(0, { error }).max(max, { error })
}

/** 1 to `max` values, each once. A list that is too long is refused, never cut in silence. */
const list = <Item extends z.ZodType>(item: Item, max: number) =>
  z
    .array(item)
    .min(1, { error: 'is empty' })
    .max(max, {
      error: ({ input }: Issue) => `has ${(input as unknown[]).length} entries; at most ${max} are allowed`,
    })
    .transform((values): readonly z.output<Item>[] => [...new Set(values)])

const symbols = (kind: JobKind) => list(z.string(), jobBounds.symbols[kind])

const stopLossError = ({ input }: Issue): string => `is ${input}; it has to be above 0 and below 1`
const costError = ({ input }: Issue): string => `is ${input}; it has to be from 0 to below ${jobBounds.cost}`

/** Asked with every job. */
const jobLimits = z.object({
  maxAttempts: between(1, jobBounds.maxAttempts),
  timeoutSeconds: between(1, jobBounds.timeoutSeconds),
})

/**
 * The input of each kind of job, as it is stored, and the defaults that it is queued with. An input is parsed when a
 * job is queued, and again before each attempt, since another version may have queued it. Times are in epoch
 * milliseconds.
 */
export const jobDescriptions = {
  ANALYSIS: {
    input: z.object({ symbols: symbols('ANALYSIS'), interval: z.enum(intervals) }),
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 300 },
  },
  BACKTEST: {
    input: z.object({
      symbols: symbols('BACKTEST'),
      signals: list(z.enum(signalKinds), signalKinds.length),
      holdDays: between(1, jobBounds.holdDays),
      initialCapital: positive(jobBounds.initialCapital),
      positionSize: positive(jobBounds.positionSize),
      /** null: none. */
      takeProfit: positive(jobBounds.takeProfit).nullable(),
      stopLoss: z.number().gt(0, { error: stopLossError }).lt(1, { error: stopLossError }).nullable(),
      cost: z.number().min(0, { error: costError }).lt(jobBounds.cost, { error: costError }),
      /** null: all history. */
      fromMs: z.number().nullable(),
      /** null: until the job is run. */
      toMs: z.number().nullable(),
    }),
    defaults: { priority: 'NORMAL', maxAttempts: 3, timeoutSeconds: 600 },
  },
  DAILY_REPORT: {
    input: z.object({
      /** null: the indices, and the watch list. */
      symbols: symbols('DAILY_REPORT').nullable(),
      /** null: when the job is run. */
      untilMs: z.number().nullable(),
    }),
    defaults: { priority: 'NORMAL', maxAttempts: 2, timeoutSeconds: 600 },
  },
  BACKFILL: {
    input: z.object({
      symbols: symbols('BACKFILL'),
      interval: z.enum(intervals),
      fromMs: z.number(),
      /** null: until the job is run. */
      toMs: z.number().nullable(),
    }),
    defaults: { priority: 'LOW', maxAttempts: 5, timeoutSeconds: 1800 },
  },
} as const satisfies Record<JobKind, { readonly input: z.ZodType; readonly defaults: JobDefaults }>

/** The parsed input of a kind of job. */
export type JobInput<Kind extends JobKind> = z.output<(typeof jobDescriptions)[Kind]['input']>

/** The same schemas, so that the compiler sees which output belongs to which kind. */
const inputs: { readonly [Kind in JobKind]: z.ZodType<JobInput<Kind>> } = {
  ANALYSIS: jobDescriptions.ANALYSIS.input,
  BACKTEST: jobDescriptions.BACKTEST.input,
  DAILY_REPORT: jobDescriptions.DAILY_REPORT.input,
  BACKFILL: jobDescriptions.BACKFILL.input,
}

/** Throws BAD_USER_INPUT with the field that is wrong. Drops fields that the kind does not have. */
export const parseJobInput = <Kind extends JobKind>(kind: Kind, input: unknown): JobInput<Kind> =>
  parseInput(inputs[kind], input)

/** How often a job is tried, and for how long. Throws BAD_USER_INPUT with the field that is wrong. */
export const parseJobLimits = (asked: unknown): z.output<typeof jobLimits> => parseInput(jobLimits, asked)

/** Throws BAD_USER_INPUT when nothing of the range lies before `nowMs`. */
export function requirePastRange(
  { fromMs, toMs }: { readonly fromMs: number | null; readonly toMs: number | null },
  nowMs: number,
): void {
  if (fromMs !== null && fromMs >= Math.min(toMs ?? nowMs, nowMs)) {
    throw badInput('from must be earlier than to, and in the past', 'from')
  }
}
