import { signalKinds } from '../domain/signal.ts'
import { builder } from './builder.ts'

export const SignalKind = builder.enumType('SignalKind', { values: signalKinds })
