/** Longer texts get memory of their own. */
const longestSharedBytes = 1024

/**
 * Encodes texts as UTF-8 into slabs that they share with each other only. Each text keeps its slab alive, and so at
 * most `slabBytes`. In Node's own pool it would keep 64 KiB, shared with writes that are soon forgotten.
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
    const bytes = this.#allocate(Buffer.byteLength(text))
    bytes.write(text)
    return bytes
  }

  #allocate(length: number): Buffer {
    if (length > longestSharedBytes) return Buffer.allocUnsafeSlow(length)
    if (this.#used + length > this.#slabBytes) {
      this.#slab = Buffer.allocUnsafeSlow(this.#slabBytes)
      this.#used = 0
    }
    this.#used += length
    return this.#slab.subarray(this.#used - length, this.#used)
  }
}
