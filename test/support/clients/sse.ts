/** An operation over SSE until the signal: the payloads of its events as text, as they come. */
export function overSse(api: string, query: string, variables: object, signal: AbortSignal): string[] {
  const payloads: string[] = []
  const read = async (): Promise<void> => {
    const response = await fetch(`${api}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
      body: JSON.stringify({ query, variables }),
      signal,
    })
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString()
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) {
        const data = /^data: (.+)$/m.exec(event)?.[1]
        if (data) payloads.push(data)
      }
    }
  }
  read().catch(() => {})
  return payloads
}
