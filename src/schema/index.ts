import './scalars.ts'
import './error.ts'
import './quote.ts'
import './instrument.ts'
import './candle.ts'
import './indicator.ts'
import './corporate-action.ts'
import './analysis.ts'
import './candle-update.ts'
import './job.ts'
import './price.ts'
import { builder } from './builder.ts'

export const schema = builder.toSchema()
