import {
  type GraphQLField,
  type GraphQLFieldResolver,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isLeafType,
  isObjectType,
} from 'graphql'
import type { Registry } from 'prom-client'
import { Histogram, type HistogramSeries } from '../../platform/histogram.ts'
import { durationBuckets } from '../../platform/metrics.ts'

type SeriesOf = (field: MeasuredField) => HistogramSeries

/** The key under which the context of an operation carries the series of its server. */
const seriesOf = Symbol('resolver durations')

interface MeasuredContext {
  [seriesOf]?: SeriesOf
}

interface MeasuredField {
  readonly type: string
  readonly field: string
}

/** Merged into the context of an operation, it stops the measurement. */
export const unmeasured: object = { [seriesOf]: undefined }

const wrapped = new WeakSet<GraphQLSchema>()

/**
 * Times every resolver that does work: root fields, fields with arguments, and fields that resolve to objects. Returns
 * the properties that the context of every operation needs for it.
 */
export function measureResolvers(schema: GraphQLSchema, registry: Registry): object {
  const seconds = new Histogram<keyof MeasuredField>({
    name: 'finstage_resolver_duration_seconds',
    help: 'How long resolvers took; of a subscription, until its first value could be waited for',
    buckets: durationBuckets,
    registry,
  })
  const known = new Map<MeasuredField, HistogramSeries>()
  const find: SeriesOf = (field) => {
    const series = known.get(field)
    if (series) return series
    const first = seconds.series({ ...field })
    known.set(field, first)
    return first
  }
  if (!wrapped.has(schema)) {
    wrapped.add(schema)
    wrapResolvers(schema)
  }
  return { [seriesOf]: find }
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
  const measuredField = { type: type.name, field: field.name }
  return (source, args, context, info) => {
    const startedMs = performance.now()
    const done = (): void => {
      const series = (context as MeasuredContext)[seriesOf]?.(measuredField)
      series?.observe((performance.now() - startedMs) / 1000)
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
