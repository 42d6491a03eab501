import { type JobKind, jobPriorities } from '../../domain/job.ts'
import { jobBounds, jobDescriptions } from '../../jobs/job-inputs.ts'
import { builder } from '../builder.ts'

type Types = typeof builder extends PothosSchemaTypes.SchemaBuilder<infer T> ? T : never
type InputFields = PothosSchemaTypes.InputFieldBuilder<Types, 'InputObject'>

export const JobPriority = builder.enumType('JobPriority', { values: jobPriorities })

/** With commas between the thousands. */
export const inWords = (value: number): string => value.toLocaleString('en-US')

/** The fields of every input that queues a job. */
export function orderFields(t: InputFields, kind: JobKind) {
  const { priority, maxAttempts, timeoutSeconds } = jobDescriptions[kind].defaults
  return {
    priority: t.field({ type: JobPriority, required: true, defaultValue: priority }),
    maxAttempts: t.int({ required: true, defaultValue: maxAttempts, description: `1 to ${jobBounds.maxAttempts}` }),
    timeoutSeconds: t.int({
      required: true,
      defaultValue: timeoutSeconds,
      description: `How long one attempt may take: 1 to ${inWords(jobBounds.timeoutSeconds)}`,
    }),
    idempotencyKey: t.string({
      description:
        'Within 24 hours, the same key from the same viewer returns the same job. With a different input it is InvalidInput',
    }),
  }
}
