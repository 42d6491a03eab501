import { reachDays } from '../resolvers/instrument.ts'
import { builder } from './builder.ts'
import { Interval } from './candle.ts'
import { Instrument } from './instrument.ts'

// Beside both concepts that it needs, since each of them is read before the other can be.
builder.objectField(Instrument, 'reachDays', (t) =>
  t.int({
    nullable: true,
    description: 'How many days back the source goes for an interval; null: all there is',
    args: { interval: t.arg({ type: Interval, required: true }) },
    resolve: reachDays,
  }),
)
