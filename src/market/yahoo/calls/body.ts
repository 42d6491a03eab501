/** The answer was larger than any answer of Yahoo's that is of use here. */
export class BodyTooLarge extends Error {
  constructor(mostBytes: number) {
    super(`The body is larger than ${mostBytes} bytes`)
    this.name = 'BodyTooLarge'
  }
}

/** Reads the body as text. Throws BodyTooLarge as soon as it is known to exceed `mostBytes`, and stops reading. */
export async function boundedText(response: Response, mostBytes: number): Promise<string> {
  const { body } = response
  if (body === null) return ''
  // Content-Length counts compressed bytes, which are fewer, so the count below is needed as well.
  if (Number(response.headers.get('content-length')) > mostBytes) {
    await body.cancel()
    throw new BodyTooLarge(mostBytes)
  }
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop ends the transfer.
  for await (const chunk of body) {
    bytes += chunk.byteLength
    if (bytes > mostBytes) throw new BodyTooLarge(mostBytes)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}
