import protobuf from 'protobufjs/light.js'
import { z } from 'zod'

export const dropReasons = [
  'unreadable',
  'not pricing',
  'unknown symbol',
  'not a price',
  'from the future',
  'older than the last',
  'repeated',
] as const

/** Why a message of the stream was dropped. */
export type DropReason = (typeof dropReasons)[number]

/** What one message of the stream says. A field that was not on the wire is absent, and not 0. */
export interface Frame {
  readonly symbol: string
  /** A float32, like all prices here: 210.51 is 210.50999450683594. Never 0. */
  readonly price: number
  readonly timeMs?: number
  /** 0 pre, 1 regular, 2 post, 3 extended, 4 overnight. */
  readonly marketHours?: number
  readonly changePercent?: number
  readonly dayVolume?: number
  readonly dayHigh?: number
  readonly dayLow?: number
  readonly change?: number
  readonly openPrice?: number
  readonly previousClose?: number
  readonly bid?: number
  readonly ask?: number
  readonly marketCap?: number
  /** How many decimals a price is shown with. */
  readonly priceHint?: number
}

const field = (id: number, type: string) => ({ id, type })

/**
 * Yahoo's message, as far as its website's own descriptor is known. With edition 2023 every field knows whether it was
 * on the wire; otherwise protobuf.js would treat an unset field and a 0 alike.
 */
export const pricingMessage = protobuf.Root.fromJSON({
  nested: {
    PricingData: {
      edition: '2023',
      fields: {
        id: field(1, 'string'),
        price: field(2, 'float'),
        time: field(3, 'sint64'),
        currency: field(4, 'string'),
        exchange: field(5, 'string'),
        quoteType: field(6, 'int32'),
        marketHours: field(7, 'int32'),
        changePercent: field(8, 'float'),
        dayVolume: field(9, 'sint64'),
        dayHigh: field(10, 'float'),
        dayLow: field(11, 'float'),
        change: field(12, 'float'),
        shortName: field(13, 'string'),
        openPrice: field(15, 'float'),
        previousClose: field(16, 'float'),
        lastSize: field(22, 'sint64'),
        bid: field(23, 'float'),
        bidSize: field(24, 'sint64'),
        ask: field(25, 'float'),
        askSize: field(26, 'sint64'),
        priceHint: field(27, 'sint64'),
        vol24hr: field(28, 'sint64'),
        marketCap: field(33, 'double'),
      },
    },
  },
}).lookupType('PricingData')

const envelope = z.object({ type: z.string(), message: z.unknown().optional() })
const base64 = z.base64()

/** Reads one message of the socket; never throws. */
export function readFrame(text: string): Frame | DropReason {
  const outer = envelope.safeParse(parsed(text)).data
  if (!outer) return 'unreadable'
  if (outer.type !== 'pricing') return 'not pricing'
  // Node's own decoder accepts any text as base64 and skips what is not.
  const encoded = base64.safeParse(outer.message).data
  const fields = encoded ? decoded(encoded) : null
  if (!fields) return 'unreadable'
  const { id, price, time, ...others } = fields
  if (typeof id !== 'string' || id === '') return 'unknown symbol'
  // Feeds send 0 for lack of a price.
  if (!isUsable(price) || price === 0) return 'not a price'
  return {
    ...Object.fromEntries(Object.entries(others).filter(([name, value]) => isUsable(value) && isInRange(name, value))),
    ...(isUsable(time) ? { timeMs: time } : {}),
    symbol: id.toUpperCase(),
    price,
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

function decoded(encoded: string): Readonly<Record<string, unknown>> | null {
  try {
    // A sint64 beyond the safe integers loses its last digits: no volume and no time is that large.
    return pricingMessage.toObject(pricingMessage.decode(Buffer.from(encoded, 'base64')), { longs: Number })
  } catch {
    return null
  }
}

/** A malformed field costs only itself: a bad bid does not cost the price. */
const isUsable = (value: unknown): value is number => typeof value === 'number' && Number.isFinite(value)

const isInRange = (name: string, value: number): boolean =>
  name === 'priceHint' ? value >= 0 && value <= 20 : name !== 'dayVolume' || value >= 0
