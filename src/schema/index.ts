import './scalars.ts'
import './error.ts'
import './quote.ts'
import './instrument.ts'
import './candle.ts'
import './corporate-action.ts'
import './analysis.ts'
import './signal.ts'
import './backtest.ts'
import './job.ts'
import './price.ts'
import { builder } from './builder.ts'

export const schema = builder.toSchema()
