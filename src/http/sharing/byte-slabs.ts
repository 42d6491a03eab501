/** What is longer has memory of its own. */
const longestShared = 1024

/**
 * Texts as bytes (UTF-8) in memory that only their like shares. Each keeps its slab alive for as long as it lives, and so at most
 * `slabBytes`. In Node's own pool that would be 64 KiB, shared with passing writes.
 */
export class ByteSlabs {
  readonly #slabBytes: number
  #slab: Buffer
  #used = 0

  constructor(slabBytes: number) {
    this.#slabBytes = slabBytes
    this.#slab = Buffer.allocUnsafeSlow(slabBytes)
  }

  bytesOf(text: string): Buffer {
    const bytes = this.#placeFor(Buffer.byteLength(text))
    bytes.write(text)
    return bytes
  }

  #placeFor(length: number): Buffer {
    if (length > longestShared) return Buffer.allocUnsafeSlow(length)
    if (this.#used + length > this.#slabBytes) {
      this.#slab = Buffer.allocUnsafeSlow(this.#slabBytes)
      this.#used = 0
    }
    this.#used += length
    return this.#slab.subarray(this.#used - length, this.#used)
  }
}
