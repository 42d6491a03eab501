/**
 * JSON of doubles, byte for byte that of JSON.stringify in half of its time: the fewest digits that are read as the same
 * double, and of these the nearest to it.
 *
 * The double times a power of ten, with 17 digits before the point, is held exactly as the sum of two doubles (T. J.
 * Dekker, A floating-point technique for extending the available precision, 1971). Rounded to fewer digits it is still
 * read as the same double if that moves it by less than half the gap between neighbouring doubles. (The gap below a power
 * of two is half of that; it makes no difference for the few powers that are written here.) Whatever is too close to call,
 * or of another magnitude, is left to JSON.stringify.
 */

/** As powers of two: below, numbers have exponents in JSON; above, doubles lie so far apart that digits can be exact ties. */
const [least, most] = [-19, 49]
const magnitudesOf = <T>(of: (exponent: number) => T): T[] =>
  Array.from({ length: most - least + 1 }, (_, i) => of(least + i))
/** By exponent: the power of ten of the first digit of the smallest such number. */
const firstDigits = Int32Array.from(magnitudesOf((exponent) => Number((2 ** exponent).toExponential().split('e')[1])))
/** Half of what lies between one such number and the next. */
const halfGaps = Float64Array.from(magnitudesOf((exponent) => 2 ** (exponent - 53)))

/** Powers of ten that are exact, and their upper and lower halves. */
const powers = Float64Array.from({ length: 23 }, (_, power) => Number(`1e${power}`))
const splitter = 2 ** 27 + 1
const upper = (value: number): number => splitter * value - (splitter * value - value)
const upperPowers = powers.map(upper)
const lowerPowers = powers.map((power) => power - upper(power))
/** The powers of ten at which numbers get one digit more, from 1e-6. */
const negativePowers = 6
const nextDigit = Float64Array.from({ length: 24 }, (_, i) => Number(`1e${i - negativePowers}`))

/** Four digits as they lie in memory. */
const fourDigits = Uint32Array.from({ length: 10_000 }, (_, number) =>
  new DataView(new TextEncoder().encode(String(number).padStart(4, '0')).buffer).getUint32(0),
)

const bits = new DataView(new ArrayBuffer(8))
const bytes = Buffer.allocUnsafeSlow(1 << 15)
const view = new DataView(bytes.buffer)
/** More than any number takes, with its comma. */
const room = 40
const [comma, minus, point, zero] = [0x2c, 0x2d, 0x2e, 0x30]
/** How sure a comparison has to be, in units of the seventeenth digit. */
const margin = 1e-3

/** The numbers with commas between them; null for NaN and infinite ones, as JSON.stringify has it. */
export function numbersAsJson(values: Float64Array): string {
  const texts: string[] = []
  let at = 0
  for (let i = 0; i < values.length; i++) {
    if (at > bytes.length - room) {
      texts.push(bytes.toString('latin1', 0, at))
      at = 0
    }
    if (i > 0) bytes[at++] = comma
    at = write(values[i] as number, at)
  }
  texts.push(bytes.toString('latin1', 0, at))
  return texts.length === 1 ? (texts[0] as string) : texts.join('')
}

/** Returns where it ends. */
function write(value: number, at: number): number {
  const size = Math.abs(value)
  bits.setFloat64(0, size)
  const place = (bits.getUint16(0) >>> 4) - 1023 - least
  if (place < 0 || place >= halfGaps.length) return writeRare(value, at)
  let firstDigit = firstDigits[place] as number
  if (size >= (nextDigit[firstDigit + 1 + negativePowers] as number)) firstDigit++

  // scaled + error is the size times ten to the scale.
  const scale = 16 - firstDigit
  const power = powers[scale] as number
  const scaled = size * power
  const upperPower = upperPowers[scale] as number
  const lowerPower = lowerPowers[scale] as number
  const upperSize = upper(size)
  const lowerSize = size - upperSize
  const error =
    upperSize * upperPower - scaled + upperSize * lowerPower + lowerSize * upperPower + lowerSize * lowerPower
  const halfGap = (halfGaps[place] as number) * power

  // Its first nine digits and its last eight. Rounding cannot take the quotient up to a whole number, because the gap
  // from scaled to the next double is as wide.
  let first = (scaled / 1e8) | 0
  let last = (scaled - first * 1e8) | 0

  let digits = 17
  const offHundreds = (last % 100) + error
  const hundreds = Math.round(offHundreds / 100)
  const movedBy = Math.abs(offHundreds - 100 * hundreds)
  if (movedBy < halfGap - margin) {
    digits = 15
    last += 100 * hundreds - (last % 100)
  } else {
    const offTens = (last % 10) + error
    const tens = Math.round(offTens / 10)
    const movedByLess = Math.abs(offTens - 10 * tens)
    if (Math.abs(movedBy - halfGap) < margin || Math.abs(movedByLess - halfGap) < margin) return writeRare(value, at)
    if (movedByLess < halfGap) {
      if (movedByLess > 5 - margin) return writeRare(value, at)
      digits = 16
      last += 10 * tens - (last % 10)
    } else {
      const units = Math.round(error)
      if (Math.abs(error - units) > 0.5 - margin) return writeRare(value, at)
      last += units
    }
  }
  if (last < 0) {
    last += 100_000_000
    first--
  } else if (last >= 100_000_000) {
    last -= 100_000_000
    first++
  }
  // Rounded to another magnitude.
  if (first < 100_000_000 || first >= 1_000_000_000) return writeRare(value, at)
  if (value < 0) bytes[at++] = minus
  return writeDigits(first, last, digits, firstDigit, at)
}

const writeRare = (value: number, at: number): number => at + bytes.write(JSON.stringify(value), at, 'latin1')

/** `first`: nine digits; `last`: eight, of which those after `digits` in all are zeros. */
function writeDigits(first: number, last: number, digits: number, firstDigit: number, at: number): number {
  let to = at + 1
  if (firstDigit < 0) {
    bytes[at] = zero
    bytes[at + 1] = point
    to = at + 2
    for (let zeros = -1; zeros > firstDigit; zeros--) bytes[to++] = zero
  }
  const eight = first % 100_000_000
  bytes[to] = zero + ((first / 100_000_000) | 0)
  view.setUint32(to + 1, fourDigits[(eight / 10_000) | 0] as number)
  view.setUint32(to + 5, fourDigits[eight % 10_000] as number)
  view.setUint32(to + 9, fourDigits[(last / 10_000) | 0] as number)
  view.setUint32(to + 13, fourDigits[last % 10_000] as number)
  let end = to + (last === 0 ? 9 : digits)
  if (digits === 15) while (bytes[end - 1] === zero) end--
  if (firstDigit < 0) return end
  // The digits before the point move one to the left.
  const pointAt = at + firstDigit + 1
  for (let i = at; i < pointAt; i++) bytes[i] = bytes[i + 1] as number
  if (end <= pointAt + 1) return pointAt
  bytes[pointAt] = point
  return end
}
