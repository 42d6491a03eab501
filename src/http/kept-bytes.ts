const slabBytes = 8192
/** What is longer has memory of its own. */
const longestShared = 1024
let slab = Buffer.allocUnsafeSlow(slabBytes)
let used = 0

/**
 * The text as bytes (UTF-8) that are meant to stay for long, beside others that are. In Node's own pool each would keep alive the
 * kilobytes of passing writes that it was made among.
 */
export function keptBytes(text: string): Buffer {
  const bytes = placeFor(Buffer.byteLength(text))
  bytes.write(text)
  return bytes
}

function placeFor(length: number): Buffer {
  if (length > longestShared) return Buffer.allocUnsafeSlow(length)
  if (used + length > slabBytes) {
    slab = Buffer.allocUnsafeSlow(slabBytes)
    used = 0
  }
  used += length
  return slab.subarray(used - length, used)
}
