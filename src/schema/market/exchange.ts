import type { Session as SessionShape } from '../../domain/exchange-calendar/exchange-calendar.ts'
import type { Exchange as ExchangeShape } from '../../domain/instrument.ts'
import type { TimeSpan } from '../../domain/time/units.ts'
import { nextClose, nextOpen, sessions } from '../../resolvers/market/exchange.ts'
import { builder } from '../builder.ts'
import { datesOf, entriesOf } from '../price/price.ts'

const inMilliseconds = (epoch: number | null): number | null => (epoch === null ? null : epoch * 1000)

const SessionBreak = builder.objectRef<TimeSpan>('SessionBreak').implement({
  fields: (t) => ({
    from: t.field({ type: 'DateTime', resolve: ({ from }) => from * 1000 }),
    to: t.field({ type: 'DateTime', resolve: ({ to }) => to * 1000 }),
  }),
})

const Session = builder.objectRef<SessionShape>('Session').implement({
  description: 'One regular session',
  fields: (t) => ({
    date: t.field({
      type: 'Date',
      description: "Trading date. A future's session may open the evening before",
      resolve: ({ date }) => new Date(date * 1000).toISOString().slice(0, 10),
    }),
    opens: t.field({ type: 'DateTime', resolve: ({ opens }) => opens * 1000 }),
    closes: t.field({ type: 'DateTime', resolve: ({ closes }) => closes * 1000 }),
    breaks: t.expose('breaks', {
      type: [SessionBreak],
      extensions: entriesOf(0.2),
      description: 'Lunch, on exchanges that have one',
    }),
    shortened: t.exposeBoolean('shortened', { description: 'Whether it ends earlier than usual on its weekday' }),
  }),
})

export const Exchange = builder.objectRef<ExchangeShape>('Exchange').implement({
  fields: (t) => ({
    code: t.exposeString('code'),
    name: t.exposeString('name', { nullable: true }),
    timezone: t.exposeString('timezone', { description: 'IANA name, such as America/New_York' }),
    delayMinutes: t.exposeInt('delayMinutes', { nullable: true, description: "How late the source's prices are" }),
    sessions: t.field({
      type: [Session],
      nullable: true,
      description:
        'Oldest first. `from` is inclusive, `to` exclusive, at most 400 dates. null if the calendar of the exchange does not know all of them',
      args: { from: t.arg({ type: 'Date', required: true }), to: t.arg({ type: 'Date', required: true }) },
      extensions: datesOf,
      resolve: sessions,
    }),
    nextOpen: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the next regular session opens; null if that is not known',
      resolve: (exchange, args, context) => inMilliseconds(nextOpen(exchange, args, context)),
    }),
    nextClose: t.field({
      type: 'DateTime',
      nullable: true,
      description: 'When the regular session that runs, or else the next one, closes; null if that is not known',
      resolve: (exchange, args, context) => inMilliseconds(nextClose(exchange, args, context)),
    }),
  }),
})
