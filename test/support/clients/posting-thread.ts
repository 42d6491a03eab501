// A thread that posts what it is told to and tells how long the answer is: so that the tested thread only serves.
import { request } from 'node:http'
import { parentPort, workerData } from 'node:worker_threads'

export interface Posted {
  readonly query: string
  readonly acceptEncoding?: string
}

export interface PostAnswer {
  readonly bytes: number
  readonly begin: string
}

parentPort?.on('message', ({ query, acceptEncoding = 'identity' }: Posted) => {
  const headers = { 'content-type': 'application/json', 'accept-encoding': acceptEncoding }
  const asking = request(workerData as string, { method: 'POST', headers }, (response) => {
    const chunks: Buffer[] = []
    response.on('data', (chunk: Buffer) => chunks.push(chunk))
    response.on('end', () => {
      const all = Buffer.concat(chunks)
      parentPort?.postMessage({ bytes: all.length, begin: all.toString('latin1', 0, 200) } satisfies PostAnswer)
    })
  })
  asking.end(JSON.stringify({ query }))
})
