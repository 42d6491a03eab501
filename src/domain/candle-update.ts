/** SNAPSHOT: a candle as it stands when a subscription begins. UPDATE: it has changed. CLOSE: its time is over, or it has changed since. */
export const candleUpdateKinds = ['SNAPSHOT', 'UPDATE', 'CLOSE'] as const
export type CandleUpdateKind = (typeof candleUpdateKinds)[number]
