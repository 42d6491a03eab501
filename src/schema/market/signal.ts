import {
  type SignalOutcome as OutcomeShape,
  signalDirections,
  signalId,
  signalKinds,
} from '../../domain/analysis/signal.ts'
import {
  loadSignal,
  type ShownSignal,
  signalEvent,
  signalEvents,
  signalOutcome,
  signals,
} from '../../resolvers/market/signal.ts'
import { builder } from '../builder.ts'
import { page } from '../price/price.ts'
import { Interval } from './candle.ts'
import { Source } from './instrument.ts'

export const SignalKind = builder.enumType('SignalKind', { values: signalKinds })
const SignalDirection = builder.enumType('SignalDirection', { values: signalDirections })

const SignalOutcome = builder.objectRef<OutcomeShape>('SignalOutcome').implement({
  description:
    "What the price did after the signal. Returns are in per cent, with the sign of the signal's direction: above zero, the signal was right",
  fields: (t) => ({
    return1d: t.exposeFloat('return1d', { nullable: true }),
    return1w: t.exposeFloat('return1w', { nullable: true }),
    return1m: t.exposeFloat('return1m', { nullable: true }),
    maxReturn: t.exposeFloat('maxReturn', { nullable: true, description: 'The best within the month' }),
    minReturn: t.exposeFloat('minReturn', { nullable: true, description: 'The worst within the month' }),
    complete: t.exposeBoolean('complete', { description: 'true: nothing more will be filled in' }),
  }),
})

export const Signal = builder.objectRef<ShownSignal>('Signal')

builder.node(Signal, {
  id: { resolve: signalId },
  loadOne: loadSignal,
  fields: (t) => ({
    symbol: t.expose('symbol', { type: 'Symbol' }),
    kind: t.expose('kind', { type: SignalKind }),
    direction: t.expose('direction', { type: SignalDirection }),
    interval: t.expose('interval', { type: Interval }),
    source: t.expose('source', { type: Source }),
    time: t.field({
      type: 'DateTime',
      description: 'Start of the candle that raised the signal',
      resolve: (signal) => signal.epoch * 1000,
    }),
    epoch: t.expose('epoch', { type: 'EpochSeconds' }),
    knownAt: t.expose('knownAtMs', { type: 'DateTime', description: 'When that candle had closed' }),
    price: t.exposeFloat('price', { description: "That candle's close" }),
    indicatorValue: t.exposeFloat('indicatorValue', {
      nullable: true,
      description: 'What the rule compared with: an average, a band, an RSI, a ratio of volumes',
    }),
    strength: t.exposeFloat('strength'),
    outcome: t.field({
      type: SignalOutcome,
      nullable: true,
      description:
        'What the price did afterwards. null until the first horizon has passed, and for a signal that is not stored',
      resolve: signalOutcome,
    }),
  }),
})

const SignalEdge = builder.edgeObject({ name: 'SignalEdge', type: Signal })
const SignalConnection = builder.connectionObject({ name: 'SignalConnection', type: Signal }, SignalEdge)

builder.queryField('signals', (t) =>
  t.field({
    type: SignalConnection,
    nullable: true,
    description: 'Signals that jobs detected and stored, newest first',
    args: {
      symbols: t.arg({ type: ['Symbol'], description: 'At most 100; null: all' }),
      kinds: t.arg({ type: [SignalKind], description: 'null: all' }),
      first: t.arg.int({ required: true, defaultValue: 20 }),
      after: t.arg.string(),
    },
    extensions: page,
    resolve: signals,
  }),
)

builder.subscriptionField('signalEvents', (t) =>
  t.field({
    type: Signal,
    description:
      'Each signal that is stored from now on, once, in the order of storing. If over 10,000 wait to be read, the stream ends with LIMIT_EXCEEDED',
    args: {
      symbols: t.arg({ type: ['Symbol'], description: 'At most 100; null: all' }),
      kinds: t.arg({ type: [SignalKind], description: 'null: all' }),
    },
    subscribe: signalEvents,
    resolve: signalEvent,
  }),
)
