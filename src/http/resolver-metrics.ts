import {
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
} from 'graphql'
import { Histogram, type Registry } from 'prom-client'
import { durationBuckets } from '../platform/metrics.ts'

/** Under which an operation's context carries the histogram of the server that it runs in. */
const histogram = Symbol('resolver histogram')

interface MeasuredContext {
  [histogram]?: Histogram<'type' | 'field'>
}

/** Takes an operation's context out of the measurement. */
export const unmeasured: object = { [histogram]: undefined }

const wrapped = new WeakSet<GraphQLSchema>()

/**
 * Times every resolver that does work: root fields, and others that take arguments or give more than a value at hand. Returns
 * what the context of every operation has to have for it.
 */
export function measureResolvers(schema: GraphQLSchema, registry: Registry): object {
  const seconds = new Histogram({
    name: 'finstage_resolver_duration_seconds',
    help: 'How long resolvers took; of a subscription, until its first value could be waited for',
    labelNames: ['type', 'field'],
    buckets: durationBuckets,
    registers: [registry],
  })
  if (!wrapped.has(schema)) {
    wrapped.add(schema)
    wrapResolvers(schema)
  }
  return { [histogram]: seconds }
}

function wrapResolvers(schema: GraphQLSchema): void {
  const subscription = schema.getSubscriptionType()
  const roots: unknown[] = [schema.getQueryType(), schema.getMutationType()]
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || /^__|(Connection|Edge)$/.test(type.name)) continue
    for (const field of Object.values(type.getFields())) {
      if (type === subscription) {
        if (field.subscribe) field.subscribe = measured(type, field, field.subscribe)
      } else if (field.resolve && (roots.includes(type) || doesWork(field))) {
        field.resolve = measured(type, field, field.resolve)
      }
    }
  }
}

function doesWork(field: GraphQLField<unknown, unknown>): boolean {
  if (field.extensions.pothosExposedField !== undefined) return false
  return field.args.length > 0 || !isLeafType(getNamedType(field.type))
}

function measured(
  type: GraphQLObjectType,
  field: GraphQLField<unknown, unknown>,
  resolve: GraphQLFieldResolver<unknown, unknown>,
): GraphQLFieldResolver<unknown, unknown> {
  const labels = { type: type.name, field: field.name }
  return (source, args, context, info) => {
    const startedMs = performance.now()
    const done = (): void => {
      ;(context as MeasuredContext)[histogram]?.observe(labels, (performance.now() - startedMs) / 1000)
    }
    try {
      const result: unknown = resolve(source, args, context, info)
      if (result instanceof Promise) result.then(done, done)
      else if (Array.isArray(result) && result.some((item) => item instanceof Promise)) {
        Promise.allSettled(result).then(done)
      } else done()
      return result
    } catch (error) {
      done()
      throw error
    }
  }
}
