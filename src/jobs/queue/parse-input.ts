import type { z } from 'zod'
import { badInput } from '../../domain/errors.ts'

/**
 * Returns the parsed input. Throws BAD_USER_INPUT for the first issue, with its field. Our own messages start in lower
 * case and follow the field's name, as in "symbols is empty"; zod's are sentences and follow a colon.
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
