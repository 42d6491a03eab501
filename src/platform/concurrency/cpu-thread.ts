import { type ErrorCode, type ErrorDetails, FinstageError } from '../../domain/errors.ts'

/** A function call by name: functions themselves cannot be sent to a thread. */
export interface CpuCall {
  /** The URL of the module. */
  readonly module: string
  readonly functionName: string
  readonly input: unknown
}

export type CpuOutcome = { readonly value: unknown } | { readonly failure: CpuFailure }

/** An error as plain values: as an object it would lose its class and fields, or could not be sent at all. */
export interface CpuFailure {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  /** null: not a FinstageError. */
  readonly refusal: { readonly code: ErrorCode; readonly details: ErrorDetails } | null
}

/** The entry point of CpuPool's threads. */
export async function call({ module, functionName, input }: CpuCall): Promise<CpuOutcome> {
  try {
    const work: unknown = (await import(module))[functionName]
    if (typeof work !== 'function') throw new TypeError(`${module} exports no function ${functionName}`)
    return { value: await work(input) }
  } catch (error) {
    return { failure: toFailure(error) }
  }
}

function toFailure(error: unknown): CpuFailure {
  if (!(error instanceof Error)) return toFailure(new Error(String(error)))
  const { name, message, stack } = error
  const refusal = error instanceof FinstageError ? { code: error.code, details: error.details } : null
  return { name, message, stack, refusal }
}

/** Restores the error thrown in the thread, with its stack there. */
export function toError({ name, message, stack, refusal }: CpuFailure): Error {
  const error = refusal ? new FinstageError(refusal.code, message, refusal.details) : new Error(message)
  return Object.assign(error, { name, stack })
}
