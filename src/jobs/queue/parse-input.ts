import type { z } from 'zod'
import { badInput } from '../../domain/errors.ts'

/**
 * The input as the schema has it. Throws BAD_USER_INPUT for the first thing that is wrong, with its field. A message of ours goes
 * on from the field's name, as in "symbols is empty"; one of zod's is a sentence of its own.
 */
export function parseInput<Input>(schema: z.ZodType<Input>, input: unknown): Input {
  const { data, error } = schema.safeParse(input)
  if (!error) return data
  const [issue] = error.issues
  const field = issue?.path.join('.') || undefined
  const { message = 'is wrong' } = issue ?? {}
  const isOurs = /^[a-z]/.test(message)
  throw badInput(`${field ?? 'the input'}${isOurs ? '' : ':'} ${message}`, field)
}
