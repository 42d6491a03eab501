/** Numbers in [0, 1), the same sequence for the same key. */
export type Random = () => number

/** The key of a text (a symbol) under a seed: FNV-1a. */
export function textKey(seed: number, text: string): number {
  let key = 0x811c9dc5
  for (let i = 0; i < text.length; i++) key = Math.imul(key ^ text.charCodeAt(i), 0x01000193)
  return childKey(key, seed)
}

/** The key of a part, by its number: MurmurHash3's finalizer, so that neighbours have nothing in common. */
export function childKey(key: number, part: number): number {
  let mixed = Math.imul(key ^ Math.imul(part ^ (part >>> 15), 0x9e3779b1), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0xc2b2ae35)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x85ebca6b)
  return (mixed ^ (mixed >>> 16)) >>> 0
}

/** Mulberry32: a demo's randomness has to be quick and repeatable, not strong. */
export function randomFrom(key: number): Random {
  let state = key | 0
  return () => {
    state = (state + 0x6d2b79f5) | 0
    return scrambled(state) / 4_294_967_296
  }
}

/** Mulberry32's output for a state: 32 bits. */
export function scrambled(state: number): number {
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return (mixed ^ (mixed >>> 14)) >>> 0
}

/** A standard normal number (Box and Muller; the second of each pair is discarded). */
export function gaussian(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())
}

/**
 * Standard normal numbers to pick from by index, where drawing them one by one would take too long: a sample with its
 * mirror image, so that the mean is 0, scaled to a variance of 1. `count` is even.
 */
export function normalTable(count: number, random: Random): Float64Array {
  const half = Float64Array.from({ length: count / 2 }, () => gaussian(random))
  const scale = 1 / Math.sqrt(half.reduce((sum, each) => sum + each * each, 0) / half.length)
  return Float64Array.from({ length: count }, (_, i) => (half[i >> 1] ?? 0) * (i % 2 ? -scale : scale))
}
