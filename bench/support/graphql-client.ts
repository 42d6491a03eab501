/** The data of an answer. Throws where there is none, or an error beside it. */
export async function ask<Data>(url: string, query: string, variables: Record<string, unknown> = {}): Promise<Data> {
  const response = await fetch(url, {
    method: 'POST',
    // fetch asks for compressed answers by itself, and would decompress them in this process.
    headers: { 'content-type': 'application/json', 'accept-encoding': 'identity' },
    body: JSON.stringify({ query, variables }),
  })
  const { data, errors } = (await response.json()) as { data?: Data; errors?: unknown }
  if (!data || errors) throw new Error(`a wrong answer: ${JSON.stringify(errors)}`)
  return data
}
