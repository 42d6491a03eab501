import { marketInstruments } from '../../resolvers/market/market-instruments.ts'
import { builder } from '../builder.ts'
import { listedPage } from '../price/price.ts'
import { Instrument, InstrumentKind } from './instrument.ts'

const InstrumentEdge = builder.edgeObject({ name: 'InstrumentEdge', type: Instrument })
const InstrumentConnection = builder.connectionObject(
  { name: 'InstrumentConnection', type: Instrument },
  InstrumentEdge,
)

builder.queryField('marketInstruments', (t) =>
  t.field({
    type: InstrumentConnection,
    nullable: true,
    description:
      'Instruments that the source can list, in its order: all of the simulated market. null: the source has no list, as Yahoo has none; `searchInstruments` finds its instruments',
    args: {
      first: t.arg.int({ required: true, defaultValue: 20 }),
      after: t.arg.string(),
      kinds: t.arg({ type: [InstrumentKind], description: 'null: all' }),
    },
    extensions: listedPage,
    resolve: marketInstruments,
  }),
)
