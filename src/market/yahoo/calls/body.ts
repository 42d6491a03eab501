/** The answer was larger than anything of Yahoo's that is of use here. */
export class BodyTooLarge extends Error {
  constructor(mostBytes: number) {
    super(`The body is larger than ${mostBytes} bytes`)
    this.name = 'BodyTooLarge'
  }
}

/** The body as text. Throws BodyTooLarge once it is known to have more bytes than `mostBytes`; the rest is never read. */
export async function boundedText(response: Response, mostBytes: number): Promise<string> {
  const { body } = response
  if (body === null) return ''
  // As it travels, which is smaller than what it unpacks to: so that counting cannot be left out.
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
